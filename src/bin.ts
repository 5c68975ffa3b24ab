import closeWithGrace from 'close-with-grace'
import { Command, CommanderError, Option } from 'commander'
import { CommandError, exitCodes } from './command-error.ts'
import { addressSettings, examples, serveSettings } from './commands/define.ts'
import type { Flags } from './commands/read-config.ts'
import { ConfigError } from './config.ts'
import { plain, plainJson, plainLines } from './plain.ts'
import { readVersion } from './version.ts'

/** Milliseconds after which a stop no longer waits for requests in flight. */
const patience = 10_000

const version = `${readVersion()}\n`

const program = new Command('kss')
  .description('KOReader sync server: keeps a reader’s place across devices.')
  .version(readVersion(), '-v, --version', 'print the version')
  .addOption(new Option('-V').hideHelp())
  .on('option:V', () => {
    process.stdout.write(version)
    throw new CommanderError(0, 'kss.version', version)
  })
  .helpCommand('help [command]', 'explain a command')
  .showHelpAfterError('(kss help explains the commands)')
  .exitOverride()
  .configureOutput({ writeErr: (text) => process.stderr.write(plainLines(text)) })

serveSettings(program.command('serve').description('run the server'))
  .addHelpText('after', '\nSettings are read from flags, then KSS_* variables, then the env file.')
  .addHelpText('after', examples('kss serve --port 8080', 'KSS_DISABLE_REGISTRATION=true kss serve --dir /srv/kss'))
  .action(async (flags: Flags) => {
    const { serve } = await import('./commands/serve.ts')
    const { readConfig } = await import('./commands/read-config.ts')
    const { commandLine } = await import('./command-line.ts')
    const loaded = readConfig(flags)
    const { envFile } = flags
    // Before the server is up: the kernel does not deliver signals without a handler to PID 1 of a container.
    const server = serve(loaded, commandLine(loaded, envFile as string | undefined))
    process.on('SIGHUP', () => undefined)
    const delay = patience + loaded.config.KSS_DRAIN_SECONDS * 1000
    closeWithGrace({ delay, logger: false, skip: ['SIGHUP', 'beforeExit'] }, async ({ err, signal }) => {
      /* c8 ignore next -- a bug: there is no way to it on purpose */
      if (err) console.error(err)
      await (await server).close(signal)
    })
    await server
  })

program
  .command('hash')
  .description('print both document ids of books: of their content (binary) and of their file name')
  .argument('<file...>', 'books; - reads standard input')
  .option('--json', 'print JSON')
  .addHelpText('after', examples('kss hash Dune.epub', 'kss hash --json *.epub', 'cat Dune.epub | kss hash -'))
  .action(async (files: string[], { json }: { json?: boolean }) => {
    const { formatBookIds, hashBook } = await import('./commands/hash.ts')
    const books = []
    for (const file of files) {
      try {
        books.push(await hashBook(file))
      } catch (error) {
        console.error(plain(`Cannot read ${file}: ${(error as Error).message}`))
        process.exitCode = exitCodes.failure
      }
    }
    process.stdout.write(json ? `${plainJson(books, 2)}\n` : books.map(formatBookIds).join(''))
  })

addressSettings(program.command('healthcheck'))
  .description('ask a server whether it is well: exit code 0 or 1 (for containers)')
  .argument('[url]', 'its address, as typed on a reader; default: the server that these settings start')
  .addHelpText(
    'after',
    examples(
      'kss healthcheck',
      'kss healthcheck --env-file /etc/kss.env',
      'kss healthcheck https://sync.example/kosync',
    ),
  )
  .action(async (url: string | undefined, flags: Flags) => {
    const { healthcheck, localAddress } = await import('./commands/healthcheck.ts')
    const { readConfig } = await import('./commands/read-config.ts')
    const trouble = url ? await healthcheck(url) : await healthcheck(localAddress(readConfig(flags).config), true)
    if (trouble) throw new CommandError(trouble)
    console.log('OK')
  })

program
  .command('version')
  .description('print the version')
  .addHelpText('after', examples('kss version'))
  .action(() => void process.stdout.write(version))

// The variable of a script that is not set: it must not mean the standard.
program.hook('preAction', (_program, command) => refuseEmpty(command))

watchOutput()
// Not awaited here: the bundle of one file is CommonJS, which has no await at the top.
void addOperatorCommands().then(run)

/** Throws ConfigError for a flag or an argument without a character. A title may be empty. */
function refuseEmpty(command: Command): void {
  const { long } = command.options.find((option) => command.getOptionValue(option.attributeName()) === '') ?? {}
  const at = command.processedArgs.findIndex((value) => [value].flat().includes(''))
  const argument = command.registeredArguments[at]?.name()
  const empty = long ?? (argument === undefined || argument === 'title' ? undefined : `<${argument}>`)
  if (empty) throw new ConfigError(`error: ${empty} is empty\n(kss help explains the commands)`)
}

/** Without this an error of standard output is a stack trace. */
function watchOutput(): void {
  let failure: NodeJS.ErrnoException | undefined
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // A reader that has seen enough, as head, is no failure, and the command goes on to its end.
    if (error.code !== 'EPIPE') failure ??= error
  })
  // A reader that is gone: nobody is left to tell.
  process.stderr.on('error', () => undefined)
  process.on('exit', () => {
    if (failure === undefined || process.exitCode) return
    console.error(`Cannot write to standard output: ${failure.message}`)
    process.exitCode = exitCodes.failure
  })
}

/** Loads the operators' commands, which the server does not need, when one of them is called or the help is shown. */
async function addOperatorCommands(): Promise<void> {
  const asked = process.argv.slice(2).find((word) => !word.startsWith('-') && word !== 'help')
  if (asked !== undefined && ['serve', 'hash', 'healthcheck', 'version'].includes(asked)) return
  const { defineOperatorCommands } = await import('./commands/operator-commands.ts')
  await defineOperatorCommands(program, asked)
}

async function run(): Promise<void> {
  try {
    await program.parseAsync()
  } catch (error) {
    process.exitCode = exitCodeOf(error)
  }
}

/** Prints one line for an error that a user can mend, a stack trace for a bug. Returns the exit code. */
function exitCodeOf(error: unknown): number {
  // Commander has printed it: help and the version are no errors, the rest is usage.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage
  if (error instanceof ConfigError) {
    console.error(plainLines(error.message))
    return exitCodes.usage
  }
  /* c8 ignore next 4 -- a bug: there is no way to it on purpose */
  if (!(error instanceof CommandError)) {
    console.error(error)
    return exitCodes.failure
  }
  console.error(plain(error.message))
  return error.exitCode
}
