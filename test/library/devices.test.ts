import t from 'tap'
import { collectDevices } from '../../src/library/devices.ts'
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
