import type { Command } from 'commander'
import { CommandError, exitCodes } from '../command-error.ts'
import { plain } from '../plain.ts'
import { findUser } from './accounts.ts'
import { examples, jsonCommand } from './define.ts'
import { changeState, withState, type State, type StateFlags } from '../control/state.ts'
import { count, formatBytes, print } from './terminal.ts'
import { describeUse, type UserSummary } from './user-summaries.ts'

interface QuotaFlags extends StateFlags {
  documents?: string
  bytes?: string
  default?: boolean
}

type QuotaUse = Pick<UserSummary, 'username' | 'documents' | 'bytes' | 'quota_documents' | 'quota_bytes'>

const units = ['', 'KB', 'MB', 'GB', 'TB']

/** `kss user quota`. */
export function defineQuota(user: Command): void {
  jsonCommand(user, 'quota <name>', 'show what an account uses and may use, or give it other limits than the settings')
    .option('--documents <number>', 'positions that it may keep; 0 is no limit')
    .option('--bytes <size>', 'what its files may take on the disk: 500MB, 2GB; 0 is no limit')
    .option('--default', 'back to KSS_QUOTA_DOCUMENTS and KSS_QUOTA_BYTES')
    .addHelpText(
      'after',
      examples(
        'kss user quota alice',
        'kss user quota alice --documents 20000 --bytes 2GB',
        'kss user quota alice --default',
      ),
    )
    .action(quota)
}

async function quota(username: string, flags: QuotaFlags): Promise<void> {
  const { documents, bytes, default: isDefault } = flags
  const own = {
    ...(documents !== undefined && { documents: parseDocuments(documents) }),
    ...(bytes !== undefined && { bytes: parseSize(bytes) }),
  }
  const hasOwn = Object.keys(own).length > 0
  if (isDefault && hasOwn) throw new CommandError('Pass the limits or --default, not both.', exitCodes.usage)
  const words = [
    ...(documents === undefined ? [] : ['--documents', documents]),
    ...(bytes === undefined ? [] : ['--bytes', bytes]),
    ...(isDefault ? ['--default'] : []),
  ]
  const use =
    words.length === 0
      ? await withState(flags, (state) => readUse(state, username))
      : await changeState(flags, ['user', 'quota', username, ...words], async (state) => {
          const user = await findUser(state, username)
          await state.store.setQuota(user.account, isDefault ? {} : { ...user.quota, ...own })
          return await readUse(state, username)
        })
  await print(flags.json, use, () => describe(use))
}

async function readUse(state: State, username: string): Promise<QuotaUse> {
  const { account } = await findUser(state, username)
  const summary = await state.store.getSummary(account)
  const { documents, bytes, quota_documents, quota_bytes } = describeUse(summary, state.config)
  return { username, documents, bytes, quota_documents, quota_bytes }
}

function describe({ username, documents, bytes, quota_documents, quota_bytes }: QuotaUse): string {
  const ofDocuments =
    quota_documents === 0
      ? `${count(documents, 'document')} (no limit)`
      : `${documents.toLocaleString('en')} of ${count(quota_documents, 'document')}`
  const ofBytes = formatBytes(bytes) + (quota_bytes === 0 ? ' (no limit)' : ` of ${formatBytes(quota_bytes)}`)
  return `${plain(username)} uses ${ofDocuments}, and ${ofBytes}.\n`
}

/** Throws CommandError. */
function parseDocuments(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new CommandError(`"${text}" is not a number. Pass a whole number, or 0 for no limit.`, exitCodes.usage)
}

/** Bytes of `500MB` or `500`; throws CommandError. */
function parseSize(text: string): number {
  const [, number, unit = ''] = /^(\d+) *(KB|MB|GB|TB)?$/i.exec(text) ?? []
  const bytes = Number(number) * 1024 ** units.indexOf(unit.toUpperCase())
  if (Number.isSafeInteger(bytes)) return bytes
  throw new CommandError(`"${text}" is not a size. Pass one such as 500MB or 2GB, or 0 for no limit.`, exitCodes.usage)
}
