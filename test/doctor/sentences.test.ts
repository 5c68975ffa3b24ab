import t from 'tap'
import type { EventKind, HeardEvent } from '../../src/doctor/events.ts'
import { sayFinding, sayPush } from '../../src/doctor/finding-sentences.ts'
import type { Finding } from '../../src/doctor/findings.ts'
import { ago, sayEvent } from '../../src/doctor/sentences.ts'
import type { Progress } from '../../src/kosync/protocol.ts'

const event = (kind: EventKind, more: Partial<HeardEvent> = {}): HeardEvent => {
  return { kind, address: '192.0.2.1', user: '', detail: '', count: 1, first: 0, last: 0, ...more }
}

const alice = { basePath: '', username: "o'neill" }

/** Each kind, with what its sentence must name, its cure, and what an operator may type. */
const sayings: [HeardEvent, RegExp, RegExp, string | undefined, { basePath: string; username?: string }?][] = [
  [event('wrongPassword'), /wrong password/, /Logout/, `kss user passwd 'o'\\''neill'`],
  [event('wrongPassword'), /wrong password/, /Logout/, 'kss user passwd NAME', { basePath: '' }],
  [event('wrongSignIn'), /in a browser/, /long password/, undefined],
  [event('disabled'), /disabled/, /enable/, `kss user enable 'o'\\''neill'`],
  [event('disabled'), /disabled/, /enable/, 'kss user enable NAME', { basePath: '' }],
  [event('unknownUser', { user: 'eve' }), /as eve/, /Register/, 'kss user add eve'],
  [event('noCredentials'), /without a name/, /Login/, undefined],
  [event('tooManyAttempts', { user: 'eve' }), /log-ins as eve failed/, /minute/, undefined],
  [event('tooManyAttempts'), /log-ins failed/, /minute/, undefined],
  [event('nameTaken', { user: 'eve' }), /eve, which is taken/, /tap Login/, undefined],
  [event('registrationClosed', { user: 'eve' }), /^eve wanted/, /invitation/, 'kss invite eve'],
  [event('registrationClosed'), /^A reader wanted/, /invitation/, 'kss registration open --for 10m'],
  [event('tooManyRegistrations'), /one address/, /hour/, 'kss user add NAME'],
  [event('noBasePath'), /\/kosync/, /\/kosync at its end/, undefined, { basePath: '/kosync' }],
  [event('otherBasePath', { detail: '/api/koreader' }), /Grimmory, BookLore/, /nothing after the port/, undefined],
  [event('otherBasePath', { detail: '/koreader/…' }), /Komga/, /nothing after the port/, undefined],
  [event('otherBasePath', { detail: '/x' }), /has \/x in its address\.$/, /nothing after/, undefined],
  [event('otherBasePath', { detail: '/a' }), /\/a/, /with \/kosync alone/, undefined, { basePath: '/kosync' }],
  [event('otherProtocol', { detail: 'OPDS' }), /asked for OPDS/, /KOReader sync/, undefined],
  [event('wrongPath'), /path/, /nothing after the port/, undefined],
  [event('wrongPath'), /path/, /\/kosync at its end/, undefined, { basePath: '/kosync' }],
  [event('redirected'), /redirect/, /https:\/\//, undefined],
  [event('tls'), /https:\/\//, /http:\/\//, undefined],
  [event('plainHttp'), /http:\/\//, /https:\/\//, undefined],
  [event('httpProxy'), /HTTP proxy/, /network settings/, undefined],
  [event('otherHost', { detail: 'sync.koreader.rocks' }), /sync\.koreader\.rocks/, /hotspot/, undefined],
  [event('unknownProxy'), /^192\.0\.2\.1 sends/, /KSS_TRUSTED_PROXIES=192\.0\.2\.1/, undefined],
  [event('tooManyConnections'), /connections/, /KSS_CONNECTIONS_PER_ADDRESS/, undefined],
  [event('notJson'), /JSON/, /hotspot/, undefined],
  [event('badField', { detail: 'device is missing' }), /device is missing/, /Update/, undefined],
  [event('bodyTooLarge'), /too large/, /Update/, undefined],
  [event('quotaReached'), /as many books/, /Remove/, `kss user quota 'o'\\''neill'`],
  [event('quotaReached'), /as many books/, /Remove/, 'kss user quota NAME', { basePath: '' }],
  [event('diskFull'), /disk/, /room/, undefined],
  [event('unavailable', { detail: 'EIO' }), /\(EIO\)/, /later/, undefined],
  [event('unavailable'), /at all\.$/, /later/, undefined],
  [event('serverFailed'), /failed/, /log/, undefined],
  [event('onlyPulls'), /never sent/, /Push progress/, undefined],
]

for (const [said, text, cure, command, subject = alice] of sayings) {
  t.test(`${said.kind} is said with its cure`, async (t) => {
    const sentence = sayEvent(said, subject)
    t.match(sentence.text, text)
    t.match(sentence.text, /^\S.*\.$/)
    t.match(sentence.cure, cure)
    t.match(sentence.cure, /^\S.*\.$/)
    t.equal(sentence.command, command)
  })
}

const kobo: Progress = { document: 'abc', percentage: 0.034, progress: '1', device: 'Kobo', timestamp: 20 }
const phone: Progress = { ...kobo, document: 'def', device: 'Phone', percentage: 0.6, timestamp: 10 }
const title = { metadata: { title: 'Dune' } }
const restored = { device: 'kss', device_id: 'kss' }

for (const [finding, text, command] of [
  [
    { kind: 'mismatch', byContent: { ...kobo, ...title }, byFileName: phone },
    'Dune is there twice: Kobo matches by content, Phone by file name.',
    'kss doc merge alice def abc',
  ],
  [
    { kind: 'mismatch', byContent: kobo, byFileName: { ...phone, ...title, device: 'Kobo' } },
    'Dune is there twice: Kobo matched by content and by file name.',
    'kss doc merge alice def abc',
  ],
  [
    { kind: 'twoFiles', one: kobo, other: phone },
    'abc is there twice: Kobo and Phone have different files of it.',
    'kss doc merge alice def abc',
  ],
  [
    { kind: 'backwards', record: { ...kobo, ...title }, before: phone },
    'Kobo took Dune back from 60 %, where Phone had been, to 3 %.',
    'kss history restore alice abc',
  ],
  [
    { kind: 'mismatch', byContent: { ...kobo, ...title, ...restored }, byFileName: phone },
    'Dune is there twice: a reader matches by content, Phone by file name.',
    'kss doc merge alice def abc',
  ],
  [
    { kind: 'twoFiles', one: kobo, other: { ...phone, device: '' } },
    'abc is there twice: Kobo and a reader without a name have different files of it.',
    'kss doc merge alice def abc',
  ],
  [
    { kind: 'backwards', record: { ...kobo, device: '' }, before: { ...phone, ...restored } },
    'A reader without a name took abc back from 60 %, where a reader had been, to 3 %.',
    'kss history restore alice abc',
  ],
  [{ kind: 'ahead', record: kobo }, 'The time of abc is in the future: 1970-01-01.', undefined],
  [
    { kind: 'ahead', record: { ...kobo, timestamp: 1e300 } },
    'The time of abc is in the future: a time that no clock shows.',
    undefined,
  ],
  [{ kind: 'silent', record: kobo }, 'No reader has pushed anything since 1970-01-01.', undefined],
  [{ kind: 'never' }, 'There are no books: no reader has pushed any yet, or all were removed.', undefined],
] satisfies [Finding, string, string | undefined][]) {
  t.test(`${finding.kind} is said with its cure: ${text}`, async (t) => {
    const sentence = sayFinding(finding, 'alice')
    t.match(sentence, { text, cure: /^\S.*\.$/ })
    t.equal(sentence.command, command)
  })
}

t.test('a push is named by its reader and its title, or its id', async (t) => {
  t.equal(sayPush({ ...kobo, ...title }), 'Kobo pushed Dune')
  t.equal(sayPush(kobo), 'Kobo pushed abc')
  t.equal(sayPush({ ...kobo, device: '' }), 'A reader without a name pushed abc')
  const long = 'x'.repeat(5000)
  t.equal(sayPush({ ...kobo, device: long, document: long }), `${'x'.repeat(100)}… pushed ${'x'.repeat(100)}…`)
})

t.test('marks of direction in a name do not turn the sentence', async (t) => {
  t.equal(sayPush({ ...kobo, device: 'a\u202eb\u2066c' }), 'abc pushed abc')
  const { text } = sayEvent(event('unknownUser', { user: '\u202eeve' }), alice)
  t.equal(text, 'A log-in was as eve, and there is no such user.')
})

for (const [seconds, text] of [
  [-5, 'just now'],
  [59, 'just now'],
  [60, '1 minute ago'],
  [3599, '59 minutes ago'],
  [7200, '2 hours ago'],
  [86_400 * 1000, '1,000 days ago'],
] as const) {
  t.test(`${seconds} seconds are ${text}`, async (t) => {
    t.equal(ago(seconds), text)
  })
}
