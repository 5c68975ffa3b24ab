import t from 'tap'
import { collectDevices, Devices } from '../../src/library/devices.ts'
import { pushed } from '../store/contract.ts'

t.test('a reader keeps its names, the latest first; without an id it goes by its name', (t) => {
  const push = (device: string, timestamp: number, device_id?: string): typeof pushed => ({
    ...pushed,
    device,
    timestamp,
    ...(device_id !== undefined && { device_id }),
  })
  t.same(
    collectDevices([push('new', 30, 'A'), push('old', 10, 'A'), push('A', 20), push('A', 25), push('old', 12, 'A')]),
    [
      { device_id: 'A', names: ['new', 'old'], first_seen: 10, last_seen: 30, pushes: 3 },
      { device_id: null, names: ['A'], first_seen: 20, last_seen: 25, pushes: 2 },
    ],
  )
  t.end()
})

t.test('a device is told with what it pushed last, whatever the order', (t) => {
  const devices = new Devices()
  t.same(devices.list(), [])
  for (const [device, timestamp, document] of [
    ['Kobo', 5, 'b'],
    ['Phone', 9, 'c'],
    ['Kobo', 7, 'd'],
    ['Kobo', 1, 'a'],
  ] as const) {
    devices.add({ ...pushed, device, timestamp, document })
  }
  t.match(devices.list(), [
    { device: { names: ['Phone'], first_seen: 9, last_seen: 9 }, last: { document: 'c' } },
    { device: { names: ['Kobo'], first_seen: 1, last_seen: 7, pushes: 3 }, last: { document: 'd' } },
  ])
  t.end()
})

t.test('of names of one second, the one that came last is the latest', (t) => {
  const names = ['one', 'two', 'one', 'three'].map((device) => ({ ...pushed, device, device_id: 'A' }))
  t.match(collectDevices(names), [{ names: ['three', 'one', 'two'] }])
  t.end()
})
