import t from 'tap'
import { Events, type EventKind, type HeardEvent } from '../../src/doctor/events.ts'

/** A record, and a clock in seconds. */
function open() {
  const clock = { now: 1_000_000 }
  const events = new Events({ now: () => clock.now * 1000 })
  return { clock, events, list: (id?: string): HeardEvent[] => events.list(id).events }
}

t.test('a new record is empty, and says since when it is and which base path there is', async (t) => {
  const events = new Events({ basePath: '/kosync', now: () => 5999 })
  t.same(events.list(), { since: 5, basePath: '/kosync', events: [] })
  t.same(events.list('alice-id'), { since: 5, basePath: '/kosync', events: [] })
  t.same(events.counts(), {})
  t.ok(new Events().list().since > 1_700_000_000)
})

t.test('events of one kind, address and name are one, with a count and both times', async (t) => {
  const { clock, events, list } = open()
  events.add({ kind: 'unknownUser', address: '192.0.2.1', user: 'eve', detail: 'old' })
  clock.now += 9
  events.add({ kind: 'unknownUser', address: '::ffff:192.0.2.1', user: 'eve', detail: 'new' })
  events.add({ kind: 'unknownUser', address: '192.0.2.1', user: 'bob' })
  t.same(list(), [
    { kind: 'unknownUser', address: '192.0.2.1', user: 'bob', detail: '', count: 1, first: 1_000_009, last: 1_000_009 },
    {
      kind: 'unknownUser',
      address: '192.0.2.1',
      user: 'eve',
      detail: 'new',
      count: 2,
      first: 1_000_000,
      last: 1_000_009,
    },
  ])
})

t.test('the addresses of one IPv6 network are one', async (t) => {
  const { events, list } = open()
  events.add({ kind: 'tls', address: '2001:db8:0:1::1' })
  events.add({ kind: 'tls', address: '2001:db8:0:1:ffff::2' })
  events.add({ kind: 'tls', address: '2001:db8:0:2::1' })
  t.match(list(), [
    { address: '2001:db8:0:2::/64', count: 1 },
    { address: '2001:db8:0:1::/64', count: 2 },
  ])
})

t.test('long texts are cut, between two characters', async (t) => {
  const { events, list } = open()
  const long = `${'x'.repeat(63)}😀`
  events.add({ kind: 'unknownUser', address: long, user: long, detail: long })
  const text = `${'x'.repeat(63)}\ufffd`
  t.match(list(), [{ address: text, user: text, detail: text }])
})

t.test('an account has 100 events, and the least recent go', async (t) => {
  const { events, list } = open()
  for (let number = 0; number < 150; number++)
    events.addTo('alice-id', { kind: 'notJson', address: `10.0.0.${number}` })
  t.equal(list('alice-id').length, 100)
  t.match(list('alice-id').at(-1), { address: '10.0.0.50' })
  events.addTo('alice-id', { kind: 'notJson', address: '10.0.0.50' })
  events.addTo('alice-id', { kind: 'notJson', address: '10.0.0.200' })
  const addresses = new Set(list('alice-id').map(({ address }) => address))
  t.ok(addresses.has('10.0.0.50'), 'it came again')
  t.notOk(addresses.has('10.0.0.51'))
})

t.test('strangers who try a name from many addresses do not push out the other events of the account', async (t) => {
  const { events, list } = open()
  events.addTo('alice-id', { kind: 'badField', address: '192.0.2.1', detail: 'device is missing' })
  for (let number = 0; number < 5000; number++) {
    const kind: EventKind = number % 2 === 0 ? 'wrongPassword' : 'disabled'
    events.addTo('alice-id', { kind, address: `10.0.${number >> 8}.${number & 255}` })
  }
  t.equal(list('alice-id').length, 21)
  t.ok(list('alice-id').some(({ kind }) => kind === 'badField'))
})

t.test('there are 10,000 accounts, and the least recent go', async (t) => {
  const { events } = open()
  const add = (number: number): void => events.addTo(`id-${number}`, { kind: 'notJson', address: '192.0.2.1' })
  for (let number = 0; number < 10_000; number++) add(number)
  add(0)
  add(10_000)
  const ids = events.counts()
  t.equal(Object.keys(ids).length, 10_000)
  t.equal(ids['id-0'], 1)
  t.equal(ids['id-1'], undefined)
})

t.test('accounts have 100,000 events together, and the least recent account goes', async (t) => {
  const { events } = open()
  for (let number = 0; number < 1001; number++) {
    for (let host = 0; host < 100; host++) events.addTo(`id-${number}`, { kind: 'notJson', address: `10.0.0.${host}` })
  }
  const counts = events.counts()
  t.equal(counts['id-0'], undefined)
  t.equal(Object.keys(counts).length, 1000)
})

t.test('the operator has 500 events, 20 of one address, and the least recent go', async (t) => {
  const { events, list } = open()
  for (let number = 0; number < 30; number++)
    events.add({ kind: 'unknownUser', address: '192.0.2.1', user: `eve${number}` })
  t.equal(list().length, 20)
  t.match(list().at(-1), { user: 'eve10' })
  for (let number = 0; number < 490; number++)
    events.add({ kind: 'tls', address: `10.0.${number >> 8}.${number & 255}` })
  t.equal(list().length, 500)
  t.equal(list().filter(({ address }) => address === '192.0.2.1').length, 10)
})

t.test('only a reader that pulled often and for a day, and never pushed, is an event', async (t) => {
  const { clock, events, list } = open()
  const pull = (address: string): void => events.count('alice-id', address, false)
  for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.3']) pull(address)
  pull('2001:db8::1')
  events.count('alice-id', '192.0.2.2', true)
  clock.now += 86_400
  for (const address of ['192.0.2.1', '192.0.2.2']) for (let times = 0; times < 2; times++) pull(address)
  pull('192.0.2.3')
  pull('2001:db8::2')
  pull('2001:db8::3')
  t.same(
    list('alice-id').map(({ kind, address, count }) => [kind, address, count]),
    [
      ['onlyPulls', '2001:db8::/64', 3],
      ['onlyPulls', '192.0.2.1', 3],
    ],
  )
  t.same(events.counts(), { 'alice-id': 2 })
})

t.test('8 addresses of an account are known, and 10,000 accounts', async (t) => {
  const { clock, events, list } = open()
  const pull = (id: string, address: string): void => {
    for (let times = 0; times < 3; times++) events.count(id, address, false)
  }
  for (let number = 0; number < 9; number++) pull('alice-id', `10.0.0.${number}`)
  clock.now += 86_400
  for (let number = 1; number < 9; number++) pull('alice-id', `10.0.0.${number}`)
  t.equal(list('alice-id').length, 8)
  for (let number = 0; number < 10_000; number++) events.count(`id-${number}`, '192.0.2.1', false)
  t.same(list('alice-id'), [])
})
