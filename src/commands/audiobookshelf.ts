import type { Command } from 'commander'
import type { BridgeStatus, ConnectionTest, LinkState } from '../audiobookshelf/operate.ts'
import { CommandError } from '../command-error.ts'
import { changeState, isFolder, withState, type State, type StateFlags } from '../control/state.ts'
import { plain } from '../plain.ts'
import { examples, jsonCommand } from './define.ts'
import { count, formatTime, print, table } from './terminal.ts'

/** `kss audiobookshelf`: what the bridge of the running server does. */
export function defineAudiobookshelf(program: Command): void {
  const group = program
    .command('audiobookshelf')
    .description('the bridge to Audiobookshelf: its state, tests and links')
  jsonCommand(group, 'status', 'show whether Audiobookshelf answers, and what waits for it')
    .addHelpText('after', examples('kss audiobookshelf status'))
    .action(async (flags: StateFlags) => await tellStatus(flags, 'status'))
  jsonCommand(group, 'retry', 'try at once what waits')
    .addHelpText('after', examples('kss audiobookshelf retry'))
    .action(async (flags: StateFlags) => await tellStatus(flags, 'retry'))
  jsonCommand(group, 'test <user>', 'try the connection of a user')
    .addHelpText('after', examples('kss audiobookshelf test alice'))
    .action(test)
  jsonCommand(group, 'links <user>', 'list the documents of a user, and their items')
    .addHelpText('after', examples('kss audiobookshelf links alice'))
    .action(links)
  jsonCommand(group, 'link <user> <document> <item>', 'link a document to an item of Audiobookshelf')
    .addHelpText('after', examples('kss audiobookshelf link alice 0123abc 55e1dc96-7b69-4533-9cb6-b4d23132ad96'))
    .action(async (user: string, document: string, item: string, flags: StateFlags) => {
      await change(flags, ['link', user, document, item], 'Linked.\n')
    })
  jsonCommand(group, 'unlink <user> <document>', 'send and tell nothing of a document any more')
    .addHelpText('after', examples('kss audiobookshelf unlink alice 0123abc'))
    .action(async (user: string, document: string, flags: StateFlags) => {
      await change(flags, ['unlink', user, document], 'Not linked any more.\n')
    })
}

const noFolder =
  'kss audiobookshelf asks a running server, which no command reaches with KSS_STORE. Open /audiobookshelf in its web console.'

/** Asks the server; throws CommandError when there is none with a bridge, or it cannot. */
async function ask<T>(state: State, verb: string, ...args: string[]): Promise<T> {
  if (!isFolder(state)) throw new CommandError(noFolder)
  const answer = (await state.ask('audiobookshelf', verb, ...args)) as { result?: T; error?: string } | undefined
  if (!answer) throw new CommandError('No kss server with AUDIOBOOKSHELF_BASE_URL is running on this folder.')
  if (answer.error !== undefined) throw new CommandError(answer.error)
  return answer.result as T
}

async function tellStatus(flags: StateFlags, verb: 'status' | 'retry'): Promise<void> {
  const status = await withState(flags, (state) => ask<BridgeStatus>(state, verb))
  await print(flags.json, status, async () => {
    const { url, trouble, waiting } = status
    const state = trouble ? `${plain(trouble.text)}, since ${formatTime(trouble.since)}` : 'answers'
    const rows = waiting.map((entry) => [
      plain(entry.username),
      plain(entry.document),
      formatTime(entry.timestamp),
      `${entry.tries}`,
    ])
    const list = rows.length === 0 ? '' : await table(['USER', 'DOCUMENT', 'PUSHED', 'TRIES'], rows)
    return `${plain(url)}: ${state}. ${count(waiting.length, 'position')} waiting.\n${list}`
  })
}

async function test(username: string, flags: StateFlags): Promise<void> {
  const result = await withState(flags, (state) => ask<ConnectionTest>(state, 'test', username))
  await print(flags.json, result, () => `${result.lines.map(plain).join('\n')}\n`)
  if (!result.ok) throw new CommandError('The connection does not work.')
}

async function links(username: string, flags: StateFlags): Promise<void> {
  const found = await withState(flags, (state) => ask<LinkState[]>(state, 'links', username))
  await print(flags.json, found, () =>
    table(
      ['DOCUMENT', 'TITLE', 'ITEM', 'LINK'],
      found.map((each) => [
        plain(each.document),
        plain(each.title),
        each.item ?? each.suggested[0]?.item ?? '',
        stateOf(each),
      ]),
    ),
  )
}

function stateOf({ kind, obstacle, suggested }: LinkState): string {
  if (obstacle) return { gone: 'gone', notAllowed: 'not allowed', notABook: 'no book' }[obstacle]
  if (kind) return { hand: 'by hand', map: 'map', digest: 'digest' }[kind]
  return suggested.length > 0 ? 'suggested' : 'not linked'
}

async function change(flags: StateFlags, words: [string, ...string[]], done: string): Promise<void> {
  await changeState(flags, ['audiobookshelf', ...words], (state) => ask(state, ...words))
  await print(flags.json, { ok: true }, () => done)
}
