import type { Test } from 'tap'

/** Lets performance.now run ahead during a test, which a cache measures ages by; returns what adds milliseconds. */
export function runAhead(t: Test): (ms: number) => void {
  const now = performance.now.bind(performance)
  let ahead = 0
  t.intercept(performance, 'now', { value: () => now() + ahead })
  return (ms) => void (ahead += ms)
}
