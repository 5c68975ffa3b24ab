import type { RunState } from './operator-tasks.ts'
import { html, notice, time, type Part } from './page.ts'

/** Seconds between refreshes of a page that shows a running task. */
export const refreshSeconds = 3

/** The state of a task in words. `result` describes its result. */
export function describeRun<T>(state: RunState<T>, what: string, result: (result: T) => Part): Part {
  if (state.is === 'idle') return undefined
  if (state.is === 'failed') return notice(html`${what} of ${time(state.ended)} failed. ${state.reason}`, 'alert')
  if (state.is === 'done') {
    return html`${notice(result(state.result))}<p><small>${what} ended ${time(state.ended)}.</small></p>`
  }
  const { done, total, started } = state
  const shown = total > 0 && html`<progress value="${done}" max="${total}">${done} of ${total}</progress>`
  return html`${notice(html`${what} is under way since ${time(started)}. This page looks again by itself.`)} ${shown}`
}
