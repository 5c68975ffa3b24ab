import { kssCommand } from '../../command-line.ts'
import type { Account } from '../store.ts'

/** The engine did not answer in time, or refused. `code` is `STORE_UNAVAILABLE`. */
export class StoreUnavailable extends Error {
  readonly code = 'STORE_UNAVAILABLE'
}

/** Fewer replicas than wanted have the change. */
export class NotConfirmed extends StoreUnavailable {}

/** The account is being renamed, and cannot be used meanwhile. */
export class AccountMoving extends StoreUnavailable {
  readonly account: Account

  constructor(account: Account, to: string) {
    const finish = renameCommand(account.username, to)
    super(`The account ${account.username} is being renamed to ${to}. If no command does that any more: ${finish}`)
    this.account = account
  }
}

/** The command that finishes an interrupted rename. */
export function renameCommand(from: string, to: string): string {
  return kssCommand('user rename', from, to)
}

/** The engine of the URL in messages, without the password. */
export function hostOf({ host, pathname }: URL): string {
  return `Redis at ${host}, database ${pathname.slice(1)},`
}

const reasons: [RegExp, string][] = [
  [/^(NOAUTH|WRONGPASS|ERR AUTH)/, 'refuses the name or the password'],
  [/^READONLY/, 'is a read-only replica'],
  [/^OOM/, 'is full: its memory limit is reached'],
  [/^LOADING/, 'is loading its data'],
  [/^CROSSSLOT/, 'is a node of a cluster: name some of them in KSS_STORE'],
  [/^CLUSTERDOWN/, 'says that the cluster is down'],
  [/^(ASK|TRYAGAIN)/, 'is handing over what is asked for to another node'],
  [/^no answer|timeout/i, 'does not answer'],
  [/\bcertificate\b/, 'has a certificate that is not trusted: name its authority in NODE_EXTRA_CA_CERTS'],
  [/^The client is (closed|offline)|^Socket closed/, 'cannot be reached'],
  [/\bE(CONN[A-Z]+|PIPE|TIMEDOUT|HOSTUNREACH|NETUNREACH|NOTFOUND|AI_AGAIN)\b/, 'cannot be reached'],
]

/** The engine's message may quote a command with a key in it: only the first word is repeated. */
export function reasonOf({ message }: Error): string {
  const known = reasons.find(([pattern]) => pattern.test(message))?.[1]
  return known ?? `does not answer as it should (${message.split(' ', 1)[0]})`
}
