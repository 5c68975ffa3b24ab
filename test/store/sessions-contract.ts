import type { Test } from 'tap'
import type { Session, SessionStore } from '../../src/store/store.ts'

const begun = 4_000_000_000

function sessionOf(at: number, accountId = 'ann'): Session {
  const hash = (accountId === 'ann' ? 'a' : 'b') + String(at).padStart(63, '0')
  const times = { created: begun + at, lastSeen: begun + at, lastPassword: begun + at }
  return { hash, username: accountId, accountId, generation: 1, isOperator: false, ...times }
}

/** What every store of sessions does. `open` gives a new, empty one. */
export function testSessions(t: Test, open: (t: Test) => Promise<SessionStore>): void {
  t.test('a session is there as it was stored last, until it is deleted', async (t) => {
    const sessions = await open(t)
    const one = sessionOf(1)
    t.equal(await sessions.getSession(one.hash), undefined)
    await sessions.putSession(one)
    t.same(await sessions.getSession(one.hash), one)
    const seen = { ...one, lastSeen: begun + 86_400 }
    await sessions.putSession(seen)
    t.same(await sessions.getSession(one.hash), seen)
    await sessions.deleteSession(one.hash)
    await sessions.deleteSession(one.hash)
    t.equal(await sessions.getSession(one.hash), undefined)
  })

  t.test('all sessions of an account end together, and no others', async (t) => {
    const sessions = await open(t)
    const [one, two, other] = [sessionOf(1), sessionOf(2), sessionOf(3, 'bob')]
    await Promise.all([one, two, other].map((each) => sessions.putSession(each)))
    await sessions.deleteSessions('ann')
    for (const { hash } of [one, two]) t.equal(await sessions.getSession(hash), undefined)
    t.same(await sessions.getSession(other.hash), other)
  })

  t.test('an account has 20 sessions: the oldest one ends for one more', async (t) => {
    const sessions = await open(t)
    await sessions.putSession(sessionOf(0, 'bob'))
    const all = Array.from({ length: 21 }, (_, at) => sessionOf(at + 1))
    for (const each of all.slice(0, 20).toReversed()) await sessions.putSession(each)
    await sessions.putSession({ ...all[0]!, lastSeen: begun + 5000 })
    t.ok(await sessions.getSession(all[0]!.hash), 'one that is stored again is none more')
    await sessions.putSession(all[20]!)
    t.equal(await sessions.getSession(all[0]!.hash), undefined)
    for (const { hash } of all.slice(1)) t.ok(await sessions.getSession(hash))
    t.ok(await sessions.getSession(sessionOf(0, 'bob').hash))
  })
}
