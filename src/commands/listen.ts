import { once } from 'node:events'
import type { AddressInfo, Server } from 'node:net'
import { CommandError } from '../command-error.ts'
import type { CommandLine } from '../command-line.ts'
import type { Config } from '../config.ts'

/** Connections that the system queues until they are accepted. Beyond that, a client repeats its SYN a second later. */
const backlog = 4096

/** Resolves to the port of KSS_PORT, which may be 0. `kss` makes what it advises. Throws CommandError. */
export async function listen(http: Server, tls: Server | undefined, config: Config, kss: CommandLine): Promise<number> {
  const { KSS_HOST: host, KSS_PORT: port, KSS_TLS_PORT: tlsPort } = config
  if (tls && tlsPort !== 0) await listenOn(tls, host, tlsPort, kss)
  const main = tls && tlsPort === 0 ? tls : http
  await listenOn(main, host, port, kss)
  return (main.address() as AddressInfo).port
}

async function listenOn(server: Server, host: string, port: number, kss: CommandLine): Promise<void> {
  try {
    await once(server.listen({ host, port, backlog }), 'listening')
  } catch (error) {
    throw listenError(error as NodeJS.ErrnoException, host, port, kss)
  }
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number, kss: CommandLine): CommandError {
  const { code = '' } = error
  if (code === 'EADDRINUSE') {
    return new CommandError(`Port ${port} is in use. Try: ${kss(`serve --port ${Math.min(port + 1, 65_534)}`)}`)
  }
  /* c8 ignore next -- the tests run as root in CI, who may use any port */
  if (code === 'EACCES') return new CommandError(`Port ${port} needs more rights. Try: ${kss('serve --port 8080')}`)
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return new CommandError(`This machine has no address ${host}. Try: ${kss('serve --host 0.0.0.0')}`)
  }
  return new CommandError(`Cannot listen on ${host}, port ${port}: ${error.message}.`)
}
