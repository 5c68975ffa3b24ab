import closeWithGrace from 'close-with-grace'
import { Command, CommanderError, Option } from 'commander'
import { CommandError, exitCodes } from './command-error.ts'
import { ConfigError, loadConfig, settings, type Config, type Values } from './config.ts'
import { readVersion } from './version.ts'

/** Milliseconds until a stop no longer waits for what is in flight. */
const patience = 10_000

const program = new Command('kss')
  .description('KOReader sync server: keeps a reader’s place across devices.')
  .version(readVersion(), '-V, --version')
  .helpCommand('help [command]', 'explain a command')
  .showHelpAfterError('(kss help explains the commands)')
  .exitOverride()

program
  .command('serve')
  .description('run the server')
  .addOption(setting('--host <address>', 'KSS_HOST', 'address to listen on'))
  .addOption(setting('--port <port>', 'KSS_PORT', 'port to listen on'))
  .addOption(setting('--dir <folder>', 'KSS_DIR', 'where accounts and positions are kept'))
  .addOption(setting('--base-path <path>', 'KSS_BASE_PATH', 'put before every path, as /kosync'))
  .addOption(setting('--disable-registration', 'KSS_DISABLE_REGISTRATION', 'nobody can sign up'))
  .addOption(setting('--trusted-proxies <ranges>', 'KSS_TRUSTED_PROXIES', 'proxies whose X-Forwarded-For is believed'))
  .addOption(setting('--log-level <level>', 'KSS_LOG_LEVEL', 'least level that is logged'))
  .addOption(setting('--log-format <format>', 'KSS_LOG_FORMAT', 'auto, pretty or json'))
  .option('--env-file <file>', 'read KSS_* variables from a file')
  .addHelpText('after', '\nSettings are read from flags, then KSS_* variables, then the env file.')
  .addHelpText('after', examples('kss serve --port 8080', 'KSS_DISABLE_REGISTRATION=true kss serve --dir /srv/kss'))
  .action(async (flags: Record<string, string | boolean>, command: Command) => {
    const { config, warnings } = readConfig(flags, command)
    const { serve } = await import('./commands/serve.ts')
    // Before it is up: as PID 1 of a container it would not see a signal that it does not ask for.
    const server = serve(config, warnings)
    process.on('SIGHUP', () => undefined)
    closeWithGrace({ delay: patience, logger: false, skip: ['SIGHUP', 'beforeExit'] }, async ({ err }) => {
      /* c8 ignore next -- a bug: there is no way to it on purpose */
      if (err) console.error(err)
      await (await server).close()
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
        console.error(`Cannot read ${file}: ${(error as Error).message}`)
        process.exitCode = exitCodes.failure
      }
    }
    process.stdout.write(json ? `${JSON.stringify(books, null, 2)}\n` : books.map(formatBookIds).join(''))
  })

program
  .command('healthcheck')
  .description('ask a server whether it is well: exit code 0 or 1 (for containers)')
  .argument('[url]', 'its address, as typed on a reader; default: the server that these settings start')
  .addHelpText('after', examples('kss healthcheck', 'kss healthcheck https://sync.example/kosync'))
  .action(async (url: string | undefined) => {
    const { healthcheck, localAddress } = await import('./commands/healthcheck.ts')
    const trouble = await healthcheck(url ?? localAddress(loadConfig().config))
    if (trouble) throw new CommandError(trouble)
    console.log('OK')
  })

await run()

function setting(flags: string, name: keyof Config, description: string): Option {
  const { default: standard = '' } = settings.properties[name] as { default?: string | number | boolean }
  const shown = standard === '' || standard === false ? '' : `, default ${standard}`
  return new Option(flags, `${description} (${name}${shown})`)
}

function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}\n`).join('')}`
}

/** Commander names flags in camelCase: `basePath` is KSS_BASE_PATH. */
function readConfig(flags: Record<string, string | boolean>, command: Command): ReturnType<typeof loadConfig> {
  const { envFile, ...rest } = flags
  const values: Values = {}
  for (const [flag, value] of Object.entries(rest)) {
    if (value === '') command.error(`error: --${flag} is empty`)
    values[`KSS_${flag.replace(/[A-Z]/g, '_$&').toUpperCase()}`] = value
  }
  return loadConfig(values, envFile === undefined ? undefined : String(envFile))
}

async function run(): Promise<void> {
  try {
    await program.parseAsync()
  } catch (error) {
    process.exitCode = exitCodeOf(error)
  }
}

/** One line for what a person can mend, a stack trace for what only a developer can. */
function exitCodeOf(error: unknown): number {
  // Commander has printed it: help and the version are no errors, the rest is usage.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage
  if (error instanceof ConfigError) {
    console.error(error.message)
    return exitCodes.usage
  }
  if (error instanceof CommandError) {
    console.error(error.message)
    return error.exitCode
  }
  /* c8 ignore next 3 -- a bug: there is no way to it on purpose */
  console.error(error)
  return exitCodes.failure
}
