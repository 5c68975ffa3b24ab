import { kssCommand } from '../command-line.ts'
import type { EventKind, HeardEvent } from './events.ts'
import { namePart } from './name-part.ts'

/** An event or a finding in words. Names, titles and paths in them come from strangers. */
export interface Sentence {
  text: string
  /** The cure, usually on the reader. */
  cure: string
  /** The operator's command for the same cure. */
  command?: string
}

/** The context of a sentence. */
export interface Subject {
  /** KSS_BASE_PATH. */
  basePath: string
  /** The account of the event; undefined for an event without an account. */
  username?: string | undefined
}

type Say = (event: HeardEvent, subject: Subject) => Sentence

/** Servers by the path that belongs to their address. */
const otherServers: [string, string][] = [
  ['/api/koreader', 'Grimmory, BookLore and Kavita'],
  ['/api/v1/koreader', 'BookOrbit'],
  ['/kosync', 'Calibre-Web Automated'],
  ['/koreader', 'Komga and Stump'],
  ['/api/ko', 'AnthoLume'],
  ['/apps/koreader_companion', 'Nextcloud'],
  ['/opds', 'an OPDS catalogue'],
  ['/1', 'an interface with a version in its path'],
]

const again = 'If it comes again, look at the log of the server.'

const sayings: Record<EventKind, Say> = {
  wrongPassword: (_event, { username = 'NAME' }) => ({
    text: 'A log-in had a wrong password.',
    cure:
      'On the reader, tap Logout, then Login, and type the password anew: capitals count. ' +
      'If none of your readers did that, somebody else tried your name; a long password keeps them out.',
    command: kssCommand('user passwd', username),
  }),
  wrongSignIn: () => ({
    text: 'Somebody signed in in a browser with a wrong password.',
    cure: 'If that was not you, somebody else tried your name; a long password keeps them out.',
  }),
  disabled: (_event, { username = 'NAME' }) => ({
    text: 'A reader logged in, but the account is disabled.',
    cure: 'Whoever runs the server can enable it.',
    command: kssCommand('user enable', username),
  }),
  unknownUser: ({ user }) => ({
    text: `A log-in was as ${user}, and there is no such user.`,
    cure: 'Check the name on the reader: capitals count. For a new account tap Register, not Login.',
    command: kssCommand('user add', user),
  }),
  noCredentials: () => ({
    text: 'A reader asked without a name and a password.',
    cure: 'On the reader, tap Register / Login.',
  }),
  tooManyAttempts: ({ user }) => ({
    text: `Too many log-ins${user === '' ? '' : ` as ${user}`} failed.`,
    cure: 'Wait a minute, then type the password anew. A reader with an old password tries it again and again: log it out.',
  }),
  nameTaken: ({ user }) => ({
    text: `A reader registered the name ${user}, which is taken.`,
    cure: 'With the password of that account, tap Login instead of Register. Otherwise take another name.',
  }),
  registrationClosed: ({ user }) => ({
    text: `${user === '' ? 'A reader' : user} wanted to register, and registration is closed.`,
    cure: 'With an account, tap Login instead of Register. A new user needs an invitation.',
    command: user === '' ? 'kss registration open --for 10m' : kssCommand('invite', user),
  }),
  tooManyRegistrations: () => ({
    text: 'Too many accounts were registered from one address.',
    cure: 'Wait an hour, or let whoever runs the server make the account.',
    command: 'kss user add NAME',
  }),
  noBasePath: (_event, { basePath }) => ({
    text: `A reader asked without the base path ${basePath}.`,
    cure: `On the reader, type the address with ${basePath} at its end.`,
  }),
  otherBasePath: ({ detail }, { basePath }) => {
    const server = serverOf(detail)
    const text = `A reader has ${detail} in its address${server === undefined ? '' : `, which is for ${server}`}.`
    const cure =
      basePath === ''
        ? 'On the reader, type the address, and add nothing after the port.'
        : `On the reader, type the address with ${basePath} alone at its end.`
    return { text, cure }
  },
  otherProtocol: ({ detail }) => ({
    text: `A client asked for ${detail}, which kss does not speak.`,
    cure: 'In its settings choose KOReader sync (kosync) with this address. kss keeps positions, and no books.',
  }),
  wrongPath: (_event, { basePath }) => ({
    text: 'A reader asked for a path that kss does not have.',
    cure: `On the reader, type the address with ${basePath === '' ? 'nothing after the port' : `${basePath} at its end`}.`,
  }),
  redirected: () => ({
    text: 'A push or a registration came as a GET: a redirect is between the reader and kss.',
    cure: 'On the reader, type the address that the redirect leads to, mostly with https://. Readers follow no redirect.',
  }),
  tls: () => ({
    text: 'A reader asked for https://, and this port has plain http.',
    cure: 'Type http:// on the reader, or the https:// address of a reverse proxy in front of kss.',
  }),
  plainHttp: () => ({
    text: 'A reader asked for http://, and this port has https.',
    cure: 'Type https:// on the reader.',
  }),
  httpProxy: () => ({
    text: 'A device took kss for an HTTP proxy.',
    cure: 'Turn the HTTP proxy off in the network settings of the reader.',
  }),
  otherHost: ({ detail }) => ({
    text: `A device asked for ${detail}, and reached this server.`,
    cure:
      'A name server, a router or the sign-in page of a hotspot leads other names here. ' +
      'On the reader, type the address of kss itself.',
  }),
  unknownProxy: ({ address }) => ({
    text: `${address} sends X-Forwarded-For, and is no trusted proxy: all readers behind it count as one address.`,
    cure: `If it is your reverse proxy, set KSS_TRUSTED_PROXIES=${address}. If not, a proxy of the network is in between.`,
  }),
  tooManyConnections: () => ({
    text: 'An address had too many connections open.',
    cure: 'If it is your reverse proxy, name it in KSS_TRUSTED_PROXIES; else raise KSS_CONNECTIONS_PER_ADDRESS.',
  }),
  notJson: () => ({
    text: 'What a reader sent is not JSON.',
    cure: 'A proxy or the page of a hotspot may have changed it: try another network. Otherwise update the reader.',
  }),
  badField: ({ detail }) => ({
    text: `What a reader sent was refused: ${detail}.`,
    cure: 'Update the software of the reader. If that does not help, tell its makers this sentence.',
  }),
  bodyTooLarge: () => ({
    text: 'What a reader sent is too large.',
    cure: 'Update the software of the reader. If that does not help, tell its makers this sentence.',
  }),
  quotaReached: (_event, { username = 'NAME' }) => ({
    text: 'The account keeps as many books as this server allows: a new one was refused.',
    cure: 'Remove books that are finished, or ask whoever runs the server for more.',
    command: kssCommand('user quota', username),
  }),
  diskFull: () => ({
    text: 'The disk of the server was full: what readers sent was refused.',
    cure: 'Make room on it. Recent readers keep what was refused, and send it later.',
  }),
  unavailable: ({ detail }) => ({
    text: `The server could not answer in time, or not at all${inBrackets(detail)}.`,
    cure: `Recent readers send it again later. ${again}`,
  }),
  serverFailed: ({ detail }) => ({
    text: `The server failed${inBrackets(detail)}.`,
    cure: again,
  }),
  onlyPulls: () => ({
    text: 'A reader asks for positions, and never sent one.',
    cure:
      'On that reader, open a book, then Progress sync: tick "Automatically keep documents in sync", ' +
      'and try "Push progress from this device now".',
  }),
}

/** The event in words. */
export function sayEvent(event: HeardEvent, subject: Subject): Sentence {
  const { kind, address, user, detail } = event
  const parts = { address: namePart(address), user: namePart(user), detail: namePart(detail) }
  return sayings[kind]({ ...event, ...parts }, subject)
}

/** As `12 minutes ago`. */
export function ago(seconds: number): string {
  for (const [unit, length] of [
    ['day', 86_400],
    ['hour', 3600],
    ['minute', 60],
  ] as const) {
    const number = Math.floor(seconds / length)
    if (number > 0) return `${number.toLocaleString('en')} ${unit}${number === 1 ? '' : 's'} ago`
  }
  return 'just now'
}

function inBrackets(detail: string): string {
  return detail === '' ? '' : ` (${detail})`
}

function serverOf(path: string): string | undefined {
  return otherServers.find(([own]) => path === own || path.startsWith(`${own}/`))?.[1]
}
