import fc from 'fast-check'
import t from 'tap'
import {
  changedAt,
  guardPull,
  guardPush,
  halfOf,
  isEcho,
  isFinishedByHand,
  isReset,
  isWorthTelling,
  type NewsFacts,
  type PushFacts,
} from '../../src/audiobookshelf/guards.ts'
import type { Remote } from '../../src/audiobookshelf/replies.ts'

const now = 1_800_000_000_000
const old = now - 3_600_000

const remote: Remote = {
  currentTime: 1000,
  duration: 3600,
  ebookProgress: 0.3,
  ebookLocation: 'epubcfi(/6/6!/4)',
  isFinished: false,
  lastUpdate: old,
}

const agreed = { currentTime: 1000, ebookProgress: 0.3, time: old - 1000 }

/** A push 200 s ahead of a record that somebody else changed an hour ago. */
function facts(more: Partial<PushFacts> = {}): PushFacts {
  return {
    now,
    push: { time: now, device: 'kobo', place: 1200 },
    values: { currentTime: 1200, ebookProgress: 0.35, finishes: false },
    remote,
    remotePlace: 1000,
    agreed: undefined,
    handedOut: undefined,
    held: undefined,
    clockDifference: 0,
    hasAudio: true,
    ...more,
  }
}

const behind = {
  push: { time: now, device: 'kobo', place: 900 },
  values: { currentTime: 900, ebookProgress: 0.27, finishes: false },
}

t.test('echo: what was agreed is not news, whatever its time', (t) => {
  t.equal(guardPull({ ...remote, lastUpdate: now }, { agreed, storedTime: old, clockDifference: 0 }), 'echo')
  t.ok(isEcho({ currentTime: 1001, ebookProgress: 0.3001 }, agreed))
  t.notOk(isEcho({ currentTime: 1001.1, ebookProgress: 0.3 }, agreed))
  t.notOk(isEcho({ currentTime: 1000, ebookProgress: 0.3002 }, agreed))
  t.notOk(isEcho(remote, undefined))
  t.equal(
    guardPull({ ...remote, currentTime: 1100, lastUpdate: now }, { agreed, storedTime: old, clockDifference: 0 }),
    undefined,
  )
  t.end()
})

t.test('which half moved: the one that differs from the last record, and never one that was not used', (t) => {
  const seen = { currentTime: 1000, ebookProgress: 0.3, ebookLocation: remote.ebookLocation, half: 'audio' as const }
  t.equal(halfOf({ ...remote, ebookProgress: 0.4 }, seen), 'ebook')
  t.equal(halfOf({ ...remote, ebookLocation: 'epubcfi(/6/8!/4)' }, seen), 'ebook')
  t.equal(halfOf({ ...remote, currentTime: 1200 }, seen), 'audio')
  t.equal(halfOf({ ...remote, currentTime: 1200, ebookProgress: 0.4 }, seen), 'audio')
  t.equal(halfOf(remote, undefined), 'audio')
  t.equal(halfOf(remote, { ...seen, half: 'ebook' }), 'ebook', 'stays what it was')
  t.equal(halfOf({ ...remote, currentTime: 0 }, undefined), 'ebook')
  t.equal(halfOf({ ...remote, ebookProgress: 0 }, seen), 'audio')
  t.end()
})

t.test('reset: a record that is gone or at 0 is no position, and the next push starts it again', (t) => {
  const zero = { ...remote, currentTime: 0, ebookProgress: 0, lastUpdate: now }
  for (const reset of [undefined, zero]) {
    t.ok(isReset(reset))
    t.equal(guardPull(reset, { agreed: undefined, storedTime: undefined, clockDifference: 0 }), 'reset')
    t.same(guardPush(facts({ remote: reset, ...behind })), { action: 'send' })
  }
  t.notOk(isReset(remote))
  t.notOk(isReset({ ...zero, ebookProgress: 0.1 }))
  t.end()
})

t.test('order: a push older than a change of somebody else is dropped', (t) => {
  const push = { time: old - 1, device: 'kobo', place: 1200 }
  t.same(guardPush(facts({ push })), { action: 'drop', guard: 'order' })
  t.same(guardPush(facts({ push: { ...push, time: old } })), { action: 'send' })
  t.same(guardPush(facts({ push, agreed: { ...agreed, time: old - 5000 } })), { action: 'send' }, 'agreed')
  t.same(
    guardPush(facts({ push, agreed: { ...agreed, time: old } })),
    { action: 'drop', guard: 'order' },
    'two documents',
  )
  t.equal(guardPull(remote, { agreed: undefined, storedTime: old, clockDifference: 0 }), 'order')
  t.equal(guardPull(remote, { agreed: undefined, storedTime: old - 1, clockDifference: 0 }), undefined)
  t.end()
})

t.test('clocks that are apart are brought together, from 5 s on', (t) => {
  t.equal(changedAt(remote, 5000), old)
  t.equal(changedAt(remote, 60_000), old - 60_000)
  t.equal(changedAt(remote, -60_000), old + 60_000)
  t.equal(guardPull(remote, { agreed: undefined, storedTime: old - 10, clockDifference: 60_000 }), 'order')
  t.end()
})

t.test('rounding: between the place that was given and the listener nothing moves', (t) => {
  const handedOut = { given: 950, listener: 1000, currentTime: 1000, ebookProgress: 0.3 }
  const at = (place: number, more: Partial<PushFacts> = {}): unknown =>
    guardPush(
      facts({
        push: { time: now, device: 'kobo', place },
        values: { currentTime: place, finishes: false },
        handedOut,
        ...more,
      }),
    )
  t.same(at(950), { action: 'drop', guard: 'rounding' })
  t.same(at(980), { action: 'drop', guard: 'rounding' })
  t.same(at(1002), { action: 'send' }, 'passes the listener')
  t.same(at(945), { action: 'send' }, 'falls behind the place')
  t.same(
    at(980, { remote: { ...remote, currentTime: 1010 }, remotePlace: 1010 }),
    { action: 'send' },
    'the listener moved again',
  )
  const ebook = { given: 0.25, listener: 0.3, currentTime: 1000, ebookProgress: 0.3 }
  t.same(at(0.26, { hasAudio: false, handedOut: ebook, remotePlace: 0.3 }), { action: 'drop', guard: 'rounding' })
  t.end()
})

t.test('stale reader: one that would rewind a listener is held until it reads on', (t) => {
  const first = guardPush(facts(behind))
  const held = { device: 'kobo', time: now, currentTime: 1000, ebookProgress: 0.3 }
  t.same(first, { action: 'hold', held })
  const later = (ms: number, more: Partial<PushFacts> = {}): unknown =>
    guardPush(facts({ ...behind, push: { ...behind.push, time: now + ms }, held, ...more }))
  t.same(later(29_000), { action: 'hold', held }, 'too soon')
  t.same(later(30_000), { action: 'send' })
  const moved = { ...remote, currentTime: 1100 }
  t.match(later(30_000, { remote: moved, remotePlace: 1100 }), { action: 'hold', held: { time: now + 30_000 } })
  t.match(later(30_000, { held: { ...held, device: 'phone' } }), { action: 'hold', held: { device: 'kobo' } })
  t.same(
    guardPush(facts({ ...behind, push: { ...behind.push, place: 940 } })),
    { action: 'send' },
    'a minute is not much',
  )
  t.match(guardPush(facts({ ...behind, hasAudio: false, push: { ...behind.push, place: 0.2 }, remotePlace: 0.3 })), {
    action: 'hold',
  })
  t.end()
})

t.test('rewind: where nothing changed since it was agreed, going back goes out', (t) => {
  t.same(guardPush(facts({ ...behind, agreed })), { action: 'send' })
  t.match(guardPush(facts({ ...behind, agreed: { ...agreed, currentTime: 500 } })), { action: 'hold' })
  t.end()
})

t.test('active player: a record that somebody else just changed waits until it is still', (t) => {
  const playing = { ...remote, lastUpdate: now - 10_000 }
  t.same(guardPush(facts({ remote: playing })), { action: 'wait', until: now + 65_000 })
  t.same(guardPush(facts({ remote: playing, agreed })), { action: 'send' }, 'our own')
  t.same(guardPush(facts({ remote: { ...remote, lastUpdate: now - 75_000 } })), { action: 'send' })
  t.same(guardPush(facts({ remote: { ...remote, lastUpdate: now + 1e9 } })), { action: 'drop', guard: 'order' })
  t.end()
})

t.test('finished: by hand it is no position, at the end it is', (t) => {
  t.ok(isFinishedByHand({ ...remote, isFinished: true }))
  t.notOk(isFinishedByHand({ ...remote, isFinished: true, currentTime: 3595 }))
  t.notOk(isFinishedByHand(remote))
  t.ok(isFinishedByHand({ ...remote, isFinished: true, duration: 0 }))
  t.notOk(isFinishedByHand({ ...remote, isFinished: true, duration: 0, ebookProgress: 1 }))
  const ebook = { ...remote, isFinished: true, duration: 0, currentTime: 0, ebookProgress: 0.3 }
  const seen = { currentTime: 0, ebookProgress: 0.3, ebookLocation: undefined, half: 'ebook' as const }
  t.ok(isFinishedByHand(ebook, seen))
  t.notOk(isFinishedByHand(ebook, { ...seen, ebookProgress: 0.1 }), 'a finished ebook that is read again')
  const byHand = { ...remote, isFinished: true }
  t.equal(guardPull(byHand, { agreed: undefined, storedTime: undefined, clockDifference: 0 }), 'finished')
  t.same(guardPush(facts({ ...behind, remote: byHand })), { action: 'send' })
  const atEnd = { ...byHand, currentTime: 3600 }
  t.equal(guardPull(atEnd, { agreed: undefined, storedTime: undefined, clockDifference: 0 }), undefined)
  t.match(guardPush(facts({ ...behind, remote: atEnd, remotePlace: 3600 })), { action: 'hold' })
  t.end()
})

t.test('small change: less than 1 s and 0.0001 is not sent, but an end is', (t) => {
  const values = { currentTime: 1000.9, ebookProgress: 0.30005, finishes: false }
  t.same(guardPush(facts({ values, agreed })), { action: 'drop', guard: 'small change' })
  t.same(guardPush(facts({ values: { ...values, currentTime: 1001.1 }, agreed })), { action: 'send' })
  t.same(guardPush(facts({ values: { ...values, ebookProgress: 0.3002 }, agreed })), { action: 'send' })
  t.same(guardPush(facts({ values: { finishes: false }, agreed })), { action: 'drop', guard: 'small change' })
  t.same(guardPush(facts({ values: { ...values, finishes: true }, agreed })), { action: 'send' })
  t.end()
})

t.test('a reader is told of places ahead of it, and of ones that somebody went back to', (t) => {
  const ahead: NewsFacts = {
    half: 'audio',
    hasAudio: true,
    listener: 1200,
    reader: 1000,
    given: 0.33,
    stored: 0.3,
    inSameFragment: true,
  }
  t.ok(isWorthTelling(ahead))
  t.notOk(isWorthTelling({ ...ahead, given: 0.3 }), 'no existing place is ahead')
  const back = { ...ahead, listener: 500, given: 0.1 }
  t.ok(isWorthTelling(back))
  t.notOk(isWorthTelling({ ...back, listener: 950 }), 'a player that goes on goes back a little')
  t.notOk(isWorthTelling({ ...back, given: 0.3 }))
  t.notOk(isWorthTelling({ ...back, half: 'ebook' }), 'the start of the chapter')
  t.ok(isWorthTelling({ ...back, half: 'ebook', inSameFragment: false }))
  t.ok(isWorthTelling({ ...back, hasAudio: false, listener: 0.1, reader: 0.3 }))
  t.end()
})

t.test('a push never moves a record back by more than a minute when somebody else has it', (t) => {
  const seconds = fc.double({ min: 1, max: 3500, noNaN: true })
  fc.assert(
    fc.property(seconds, seconds, fc.nat({ max: 1e7 }), (place, currentTime, age) => {
      const changed = { ...remote, currentTime, lastUpdate: now - age }
      const push = { time: now, device: 'kobo', place }
      const values = { currentTime: place, finishes: false }
      const { action } = guardPush(facts({ push, values, remote: changed, remotePlace: currentTime }))
      return action !== 'send' || place >= currentTime - 60
    }),
  )
  t.end()
})
