import type { Test } from 'tap'

/** Lets tap remove the folders of a test after its teardowns, not before them: a store that is open writes there. */
export function removeFoldersLast(t: Test): void {
  t.beforeEach((each) => each.teardown(() => undefined))
}
