import type { Command } from 'commander'
import { kssCommand } from '../command-line.ts'
import { isFolder, withState, type State, type StateFlags } from '../control/state.ts'
import type { Heard } from '../doctor/events.ts'
import { findInRecords, findTroubles, lastOf } from '../doctor/findings.ts'
import { sayFinding, sayPush } from '../doctor/finding-sentences.ts'
import { ago, sayEvent, type Sentence } from '../doctor/sentences.ts'
import { titleOf } from '../library/titles.ts'
import { plain } from '../plain.ts'
import { findUser, hasToldDamage, readRecords, tellDamagedRecord, unlessGone, usersOf } from './accounts.ts'
import { examples, jsonCommand } from './define.ts'
import { count, print, progressBar } from './terminal.ts'

/** Accounts that are listed; the others are counted. */
const mostAccounts = 100

/** An account with events or findings. */
interface Attention {
  username: string
  events: number
  findings: number
}

/** `kss doctor`. */
export function defineDoctor(program: Command): void {
  jsonCommand(program, 'doctor [user]', 'tell what goes wrong between readers and the server, and what helps')
    .addHelpText(
      'after',
      '\nWith a user: what kss heard from the readers of that account. Without: what it heard from anybody else, and which' +
        '\naccounts need a look. A running server tells what it heard since its start; the rest is in the records.',
    )
    .addHelpText('after', examples('kss doctor', 'kss doctor alice', 'kss doctor alice --json'))
    .action(doctor)
}

async function doctor(username: string | undefined, flags: StateFlags): Promise<void> {
  await withState(flags, async (state) => {
    if (username === undefined) await tellOperator(state, flags)
    else await tellOf(username, state, flags)
  })
}

/** What the server heard; undefined without one, or when it is of an earlier version. */
async function heardBy({ ask }: State, id?: string): Promise<Heard | undefined> {
  return (await ask('listEvents', ...(id === undefined ? [] : [id]))) as Heard | undefined
}

async function tellOf(username: string, state: State, { json }: StateFlags): Promise<void> {
  const { account } = await findUser(state, username)
  const heard = await heardBy(state, account.id)
  const records = await readRecords(state, account, tellDamagedRecord)
  const now = Date.now() / 1000
  const events = describeEvents(heard, username)
  const troubles = await findTroubles(records, now, ({ document }) => state.store.listHistory(account, document))
  const findings = troubles.map((finding) => ({ kind: finding.kind, ...sayFinding(finding, username) }))
  const last = lastOf(records)
  const { device, document, timestamp } = last ?? {}
  const last_push = last ? { device, document, title: titleOf(last), timestamp } : null
  await print(json, { username, ...serverOf(state, heard), last_push, events, findings }, () => {
    const pushed = last ? `${plain(sayPush(last))} ${ago(now - last.timestamp)}.\n` : ''
    return (
      pushed +
      sourceLine(state, heard) +
      section(
        `What kss heard from the readers of ${plain(username)}:`,
        events.map((event) => eventLines(event, now)),
      ) +
      section('What the records tell:', findings.map(sentenceLines)) +
      wellLine(events.length + findings.length)
    )
  })
}

async function tellOperator(state: State, { json }: StateFlags): Promise<void> {
  const heard = await heardBy(state)
  const { accounts, more } = await findAccounts(state)
  const events = describeEvents(heard)
  const now = Date.now() / 1000
  await print(json, { ...serverOf(state, heard), events, accounts, more }, () => {
    const lines = accounts.map((account) => `${attentionLine(account)}\n`)
    if (more > 0) lines.push(`and ${count(more, 'more account')}.\n`)
    return (
      sourceLine(state, heard) +
      section(
        'What kss heard without an account:',
        events.map((event) => eventLines(event, now)),
      ) +
      section('Accounts to look at:', lines) +
      wellLine(events.length + accounts.length)
    )
  })
}

/** The accounts with events, or with findings for which no history must be read. */
async function findAccounts(state: State): Promise<{ accounts: Attention[]; more: number }> {
  const counts = ((await state.ask('countEvents')) ?? {}) as Record<string, number>
  const now = Date.now() / 1000
  const accounts: Attention[] = []
  let more = 0
  for await (const { username, account } of usersOf(state, undefined, progressBar('user'))) {
    await unlessGone(async () => {
      const records = await readRecords(state, account, tellDamagedRecord)
      const [events, findings] = [counts[account.id] ?? 0, findInRecords(records, now).length]
      if (events + findings === 0) return
      if (accounts.length < mostAccounts) accounts.push({ username, events, findings })
      else more += 1
    })
  }
  return { accounts, more }
}

function describeEvents(heard: Heard | undefined, username?: string): (Heard['events'][number] & Sentence)[] {
  if (!heard) return []
  const { basePath, events } = heard
  return events.map((event) => ({ ...event, ...sayEvent(event, { basePath, username }) }))
}

function serverOf({ server }: State, heard: Heard | undefined): { server: boolean; since: number | null } {
  return { server: server !== undefined, since: heard?.since ?? null }
}

function sourceLine(state: State, heard: Heard | undefined): string {
  if (heard) return `The server started ${ago(Date.now() / 1000 - heard.since)}, and knows what it heard since then.\n`
  if (!isFolder(state))
    return 'What a server on this Redis heard only that server knows: only the records were looked at.\n'
  const why = state.server ? 'The server is of an earlier version' : `No kss server is running on ${plain(state.dir)}`
  return `${why}: only the records were looked at.\n`
}

function section(head: string, items: string[]): string {
  return items.length === 0 ? '' : `\n${head}\n\n${items.join('')}`
}

function wellLine(found: number): string {
  return found > 0 || hasToldDamage() ? '' : 'Nothing is wrong that kss knows of.\n'
}

function eventLines(event: Heard['events'][number] & Sentence, now: number): string {
  const times = event.count === 1 ? '' : `, ${count(event.count, 'time')}`
  return `${ago(now - event.last)}${times}, from ${plain(event.address)}: ${sentenceLines(event)}`
}

function sentenceLines({ text, cure, command }: Sentence): string {
  const lines = [text, `  ${cure}`, ...(command === undefined ? [] : [`  $ ${command}`])]
  return lines.map((line) => `${plain(line)}\n`).join('')
}

function attentionLine({ username, events, findings }: Attention): string {
  const parts = [...(events > 0 ? [count(events, 'event')] : []), ...(findings > 0 ? [count(findings, 'finding')] : [])]
  return `${plain(username)}: ${parts.join(', ')}. See: ${plain(kssCommand('doctor', username))}`
}
