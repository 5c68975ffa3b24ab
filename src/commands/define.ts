import { Option, type Command } from 'commander'
import { settings } from '../config.ts'

/** A group of commands, or a command that works on the state directory, with the flags that all of them take. */
export function stateCommand(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .addOption(setting('--dir <folder>', 'KSS_DIR', 'where accounts and positions are kept'))
    .option('--env-file <file>', 'read KSS_* variables from a file')
}

/** The same for one that can print JSON for a script. */
export function jsonCommand(program: Command, name: string, description: string): Command {
  return stateCommand(program, name, description).option('--json', 'print JSON')
}

/** The flags that say where a server is. */
export function addressSettings(command: Command): Command {
  return command
    .addOption(setting('--host <address>', 'KSS_HOST', 'address to listen on'))
    .addOption(setting('--port <port>', 'KSS_PORT', 'port to listen on'))
    .addOption(setting('--tls <how>', 'KSS_TLS', 'https with a certificate that kss makes: self-signed'))
    .addOption(setting('--base-path <path>', 'KSS_BASE_PATH', 'put before every path, as /kosync'))
    .option('--env-file <file>', 'read KSS_* variables from a file')
}

/** The flags of `kss serve`. */
export function serveSettings(command: Command): Command {
  return addressSettings(command)
    .addOption(setting('--dir <folder>', 'KSS_DIR', 'where accounts and positions are kept'))
    .addOption(setting('--disable-registration', 'KSS_DISABLE_REGISTRATION', 'nobody can sign up'))
    .addOption(
      setting('--trusted-proxies <ranges>', 'KSS_TRUSTED_PROXIES', 'proxies whose X-Forwarded-For is believed'),
    )
    .addOption(setting('--log-level <level>', 'KSS_LOG_LEVEL', 'least level that is logged'))
    .addOption(setting('--log-format <format>', 'KSS_LOG_FORMAT', 'auto, pretty or json'))
}

/** A flag for a setting; the variable and the default are in its help. */
function setting(flags: string, name: keyof typeof settings.properties, description: string): Option {
  const { default: standard = '' } = settings.properties[name] as { default?: string | number | boolean }
  const shown = standard === '' || standard === false ? '' : `, default ${standard}`
  return new Option(flags, `${description} (${name}${shown})`)
}

/** What `--help` shows at its end; each of these lines runs in a test. */
export function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}\n`).join('')}`
}
