import type { Progress } from '../../src/kosync/protocol.ts'
import type { Store } from '../../src/store/store.ts'
import { accountOf } from '../store/by-name.ts'
import { pushed } from '../store/contract.ts'

/** Pushes for the account, one after the other. */
export async function push(store: Store, username: string, ...pushes: Partial<Progress>[]): Promise<void> {
  const account = await accountOf(store, username)
  for (const each of pushes) await store.putProgress(account, { ...pushed, ...each })
}

/** Texts of strangers that a careless page would obey. */
export const hostileTexts = [
  `<script>alert(1)</script>`,
  `"><img src=x onerror=alert(1)>`,
  `' onclick='alert(1)`,
  `&lt;b&gt;`,
  `\u202egnp.kool\u2066\u200b`,
  'x'.repeat(1000),
]

/** As a page shows a text. */
export function escaped(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
  return text.replace(/[&<>"']/g, (character) => entities[character]!)
}
