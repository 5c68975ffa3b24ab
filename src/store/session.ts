import type { Session } from './store.ts'

/** Seconds without a visit after which a session ends. */
export const idleSeconds = 30 * 86_400

/** Sessions of one account. */
export const mostSessions = 20

export function isIdle({ lastSeen }: Session, nowSeconds: number): boolean {
  return lastSeen + idleSeconds <= nowSeconds
}

/** The sessions that end when this one is stored, because its account has too many: the oldest ones. */
export function surplusOf(sessions: Iterable<Session>, added: Session): Session[] {
  const others = [...sessions].filter(({ accountId, hash }) => accountId === added.accountId && hash !== added.hash)
  return others.toSorted((one, other) => other.created - one.created).slice(mostSessions - 1)
}
