import { SetupCode } from '../accounts/setup-code.ts'
import { plain } from '../plain.ts'
import type { Admin } from '../store/store.ts'

export interface SetupOptions {
  admin: Pick<Admin, 'hasOperator'>
  /** Server addresses as a user types them on a reader. */
  addresses: string[]
  /** Writes to the terminal and never to a log, because the text contains the code. */
  write: (text: string) => void
  now: () => number
}

/** While no account is an operator's, prints the code that makes one. Resolves to undefined when there is one. */
export async function offerSetup({ admin, addresses, write, now }: SetupOptions): Promise<SetupCode | undefined> {
  if (await admin.hasOperator()) return undefined
  const { code, setupCode } = SetupCode.create(now)
  write(
    `No account is an operator's. To manage kss in a browser, open within 30 minutes:\n` +
      addresses.map((address) => `  ${plain(address)}/setup\n`).join('') +
      `and type the code ${code}\n`,
  )
  return setupCode
}
