import { chmod, link, lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import type { Finding } from '../../src/store/finding.ts'
import { toFileName } from '../../src/store/file-store/files/file-name.ts'
import { pushLine } from '../store/file-store/wal/journal-lines.ts'

/** What is in the file of each path; null is a folder. */
export type Files = Record<string, string | null>

export interface Damage {
  what: string
  /** Beside or in place of what is there in a healthy directory. */
  files?: Files
  /** What no file can say. */
  make?: (dir: string) => Promise<void>
  found: Finding[]
  /** What the files hold after the repair; undefined where there is none. */
  mended?: Record<string, string | RegExp | undefined>
  /** Findings that are left to a person, by path. */
  left?: string[]
}

export const auth = (username: string, more = {}): string =>
  `${JSON.stringify({ 'x-auth-user': username, 'x-auth-key': 'K', ...more })}\n`
export const record = (progress: string, timestamp: number, document = 'abc', more = {}): string =>
  `${JSON.stringify({ document, percentage: 0.5, progress, device: 'kpw', timestamp, ...more })}\n`

export const healthy: Files = {
  'ann/auth.json': auth('ann'),
  'ann/abc.json': record('p2', 1002),
  'ann/history/abc.jsonl': record('p1', 1001) + record('p2', 1002),
}

/** A state directory with these files, for this user alone. */
export async function makeState(t: Test, files: Files): Promise<string> {
  const dir = t.testdir({})
  for (const [path, text] of Object.entries({ ...healthy, ...files })) await put(join(dir, path), text)
  return dir
}

async function put(path: string, text: string | null): Promise<void> {
  await mkdir(text === null ? path : dirname(path), { recursive: true, mode: 0o700 })
  if (text !== null) await writeFile(path, text, { mode: 0o600 })
}

/** All that is in the directory, as text; the time when a file was set aside is T. */
export async function readState(dir: string): Promise<Map<string, string>> {
  const state = new Map<string, string>()
  for (const name of (await readdir(dir, { recursive: true })).toSorted()) {
    const path = join(dir, name)
    if ((await lstat(path)).isFile()) state.set(fixed(name), await readFile(path, 'utf8'))
  }
  return state
}

/** The same for the same fields in another order. */
export function sorted(text: string | undefined): unknown {
  return text?.split('\n').map((line) => {
    try {
      return JSON.parse(line) as unknown
    } catch {
      return line
    }
  })
}

export function fixed(path: string): string {
  return path.replaceAll('\\', '/').replace(/\.corrupt-\d+/g, '.corrupt-T')
}

const lines = (...names: string[]): string => names.map((name) => record(name, 1000 + Number(name.slice(1)))).join('')
const remove = (path: string) => (dir: string) => rm(join(dir, path))
const mode = (path: string, bits: number) => (dir: string) => chmod(join(dir, path), bits)
const locked = (username: string): RegExp =>
  new RegExp(`^{"x-auth-user":${JSON.stringify(username)},"x-auth-key":"[0-9a-f]{64}","disabled":true}\n$`)
const setPassword = 'set a password: kss user passwd ann, then kss user enable ann'
const newAuth = 'a new one, of the user "ann", keeps the account locked'
const moveAway = 'kss does not read it: move it elsewhere'
const restored = 'is set aside; the newest good line of its history takes its place'
const hash = toFileName('李'.repeat(80))
const time = 1_700_000_000_000

const credentials: Damage[] = [
  {
    what: 'an auth.json that is missing',
    make: remove('ann/auth.json'),
    found: [
      {
        path: 'ann/auth.json',
        problem: 'is missing',
        repair: 'is made for the user "ann", and keeps the account locked',
        advice: setPassword,
        damage: true,
      },
    ],
    mended: { 'ann/auth.json': locked('ann') },
  },
  ...(
    [
      ['that is not JSON', '{', 'is not JSON'],
      ['that is a list', '[]', 'is not a JSON object'],
      ['without a name', '{"x-auth-key":"K"}', 'has no x-auth-user'],
      ['without a key', '{"x-auth-user":"ann"}', 'has no x-auth-key'],
    ] as const
  ).map(([what, text, problem]) => ({
    what: `an auth.json ${what}`,
    files: { 'ann/auth.json': text },
    found: [{ path: 'ann/auth.json', problem, repair: `is set aside; ${newAuth}`, advice: setPassword, damage: true }],
    mended: { 'ann/auth.json': locked('ann'), 'ann/auth.json.corrupt-T': text },
  })),
  {
    what: 'a folder in the place of auth.json',
    files: { 'bob/auth.json/x': 'x', 'bob/abc.json': record('p9', 9) },
    found: [
      {
        path: 'bob/auth.json',
        problem: 'is not a file',
        repair: 'is set aside; a new one, of the user "bob", keeps the account locked',
        advice: 'set a password: kss user passwd bob, then kss user enable bob',
        damage: true,
      },
    ],
    mended: { 'bob/auth.json': locked('bob'), 'bob/auth.json.corrupt-T/x': 'x' },
  },
  {
    what: 'a folder without auth.json, of an odd name',
    files: { '%4fl%27ga/abc.json': record('p9', 9) },
    found: [
      {
        path: '%4fl%27ga/auth.json',
        problem: 'is missing',
        repair: 'is made for the user "Ol\'ga", and keeps the account locked',
        advice: `set a password: kss user passwd 'Ol'\\''ga', then kss user enable 'Ol'\\''ga'`,
        damage: true,
      },
    ],
    mended: { '%4fl%27ga/auth.json': locked("Ol'ga") },
  },
  {
    what: 'a folder without auth.json, of an older kss',
    files: { 'Zoë/abc.json': record('p9', 9) },
    found: [
      {
        path: 'Zoë/auth.json',
        problem: 'is missing',
        repair: 'is made for the user "Zoë", and keeps the account locked',
        advice: "set a password: kss user passwd 'Zoë', then kss user enable 'Zoë'",
        damage: true,
      },
    ],
    mended: { 'Zoë/auth.json': locked('Zoë') },
  },
  {
    what: 'a folder without auth.json, of a name that only left a hash',
    files: { [`${hash}/abc.json`]: record('p9', 9) },
    found: [
      {
        path: `${hash}/auth.json`,
        problem: 'is missing',
        advice: 'restore it from a backup: nothing else tells whose folder this is',
        damage: true,
      },
    ],
    left: [`${hash}/auth.json`],
  },
  {
    what: 'a folder without auth.json whose user has another one',
    files: { 'Bob/auth.json': auth('Bob'), '%42ob/abc.json': record('p9', 9) },
    found: [
      {
        path: '%42ob/auth.json',
        problem: 'is missing',
        advice: 'the user’s folder is Bob: move what you need there, then remove %42ob',
        damage: true,
      },
    ],
    left: ['%42ob/auth.json'],
    mended: { 'Bob/auth.json': auth('Bob') },
  },
  {
    what: 'two folders without auth.json of one user',
    files: { 'Bob/auth.json': '{', '%42ob/auth.json': '[', '%42ob/abc.json': record('p9', 9) },
    found: ['%42ob', 'Bob'].map((folder) => ({
      path: `${folder}/auth.json`,
      problem: 'is not JSON',
      repair: 'is set aside; a new one, of the user "Bob", keeps the account locked',
      advice: 'set a password: kss user passwd Bob, then kss user enable Bob',
      damage: true,
    })),
    left: ['Bob/auth.json'],
    mended: { '%42ob/auth.json': locked('Bob'), 'Bob/auth.json': '{' },
  },
  {
    what: 'a folder that is not called as its user',
    files: { 'bobby/auth.json': auth('Bob'), 'bobby/abc.json': record('p9', 9) },
    found: [
      {
        path: 'bobby',
        problem: 'is of the user "Bob", whose folder is %42ob',
        repair: 'is renamed to %42ob',
        damage: true,
      },
    ],
    mended: { '%42ob/auth.json': auth('Bob'), '%42ob/abc.json': record('p9', 9), 'bobby/auth.json': undefined },
  },
  {
    what: 'a folder whose right name is in use',
    files: { 'bobby/auth.json': auth('ann2'), 'ann2/auth.json': auth('carl') },
    found: [
      {
        path: 'ann2',
        problem: 'is of the user "carl", whose folder is carl',
        repair: 'is renamed to carl',
        damage: true,
      },
      {
        path: 'bobby',
        problem: 'is of the user "ann2", whose folder is ann2',
        advice: 'ann2 is there too: make room, or give this user another name in auth.json',
        damage: true,
      },
    ],
    mended: { 'carl/auth.json': auth('carl'), 'ann2/auth.json': auth('ann2') },
  },
  ...['Bob', 'bobby'].map((folder) => ({
    what: `two folders of one user, ${folder} and %42ob`,
    files: { [`${folder}/auth.json`]: auth('Bob'), '%42ob/auth.json': auth('Bob') },
    found: [
      {
        path: folder,
        problem: 'is of the user "Bob", as is the folder %42ob',
        advice: `keep one of them: move what you need to %42ob, then remove ${folder}`,
        damage: true,
      },
    ],
    left: [folder],
  })),
]

const records: Damage[] = [
  ...(
    [
      ['that is not JSON', '{', 'is not JSON'],
      ['that is empty', '', 'is not JSON'],
      ['without a document', '{}', 'has no document'],
      ['without a position', '{"document":"abc"}', 'has no progress'],
      ['without a percentage', '{"document":"abc","progress":"p1","percentage":"x"}', 'has no percentage'],
    ] as const
  ).map(([what, text, problem]) => ({
    what: `a record ${what}`,
    files: { 'ann/abc.json': text },
    found: [{ path: 'ann/abc.json', problem, repair: restored, damage: true }],
    mended: { 'ann/abc.json': record('p2', 1002), 'ann/abc.json.corrupt-T': text },
  })),
  {
    what: 'a record with fields of the wrong type',
    files: { 'ann/abc.json': record('p2', 1002, 'abc', { title: 5, metadata: { title: 1984 } }) },
    found: [
      {
        path: 'ann/abc.json',
        problem: 'has a value of the wrong type: title, metadata.title',
        advice: 'kss ignores it, and the next push of the book removes it',
        damage: false,
      },
    ],
    left: ['ann/abc.json'],
  },
  {
    what: 'a record that is not JSON, without a history',
    files: { 'ann/new.json': '"p9' },
    found: [
      {
        path: 'ann/new.json',
        problem: 'is not JSON',
        repair: 'is set aside; the next push of the book begins anew',
        damage: true,
      },
    ],
    mended: { 'ann/new.json': undefined, 'ann/new.json.corrupt-T': '"p9' },
  },
  {
    what: 'a record of another document',
    files: { 'ann/x.json': record('p9', 9, 'Ab\u202ec') },
    found: [
      {
        path: 'ann/x.json',
        problem: 'is of the document "Ab\\u202ec", whose file is %41b%e2%80%aec.json',
        repair: 'is renamed to %41b%e2%80%aec.json',
        damage: true,
      },
    ],
    mended: { 'ann/%41b%e2%80%aec.json': record('p9', 9, 'Ab\u202ec'), 'ann/x.json': undefined },
  },
  ...(
    [
      ['older', 900, 'p2', 1002, record('p9', 900) + lines('p1', 'p2')],
      ['newer', 1100, 'p9', 1100, lines('p1', 'p2') + record('p9', 1100)],
    ] as const
  ).map(([which, timestamp, progress, newest, history]) => ({
    what: `a second record of a document, ${which}`,
    files: { 'ann/x.json': record('p9', timestamp, 'abc', { note: 'mine' }) },
    found: [
      {
        path: 'ann/x.json',
        problem: 'is of the document "abc", as is abc.json',
        repair: 'is merged into abc.json: the newer position stays, the other one goes into the history',
        damage: true,
      },
    ],
    mended: {
      'ann/abc.json': record(progress, newest, 'abc', { note: 'mine' }),
      'ann/history/abc.jsonl': history,
      'ann/x.json': undefined,
    },
  })),
  {
    what: 'a raw and an escaped record of a document, both with a history',
    files: {
      'ann/%46oo.json': record('p3', 3, 'Foo'),
      'ann/Foo.json': record('p5', 5, 'Foo', { device_id: 'A' }),
      'ann/history/%46oo.jsonl': record('p3', 3, 'Foo'),
      'ann/history/Foo.jsonl': record('p4', 4, 'Foo') + record('p5', 5, 'Foo', { device_id: 'A' }),
    },
    found: [
      {
        path: 'ann/Foo.json',
        problem: 'is of the document "Foo", as is %46oo.json',
        repair: 'is merged into %46oo.json: the newer position stays, the other one goes into the history',
        damage: true,
      },
      {
        path: 'ann/history/Foo.jsonl',
        problem: 'has 2 lines of the document "Foo"',
        repair: 'loses them to history/%46oo.jsonl',
        damage: true,
      },
    ],
    mended: {
      'ann/%46oo.json': record('p5', 5, 'Foo', { device_id: 'A' }),
      'ann/history/%46oo.jsonl':
        record('p3', 3, 'Foo') + record('p4', 4, 'Foo') + record('p5', 5, 'Foo', { device_id: 'A' }),
      'ann/Foo.json': undefined,
      'ann/history/Foo.jsonl': undefined,
    },
  },
  {
    what: 'two records in each other’s place',
    files: { 'ann/abc.json': record('p9', 9, 'def'), 'ann/def.json': record('p2', 1002) },
    found: [
      {
        path: 'ann/abc.json',
        problem: 'is of the document "def", whose file is def.json',
        repair: 'is renamed to def.json',
        damage: true,
      },
      {
        path: 'ann/def.json',
        problem: 'is of the document "abc", whose file is abc.json',
        repair: 'is renamed to abc.json',
        damage: true,
      },
    ],
    mended: { 'ann/abc.json': record('p2', 1002), 'ann/def.json': record('p9', 9, 'def') },
  },
  {
    what: 'a record whose right place holds something that cannot be read',
    files: { 'ann/x.json': record('p3', 1003), 'ann/abc.json': '"p9' },
    found: [
      { path: 'ann/abc.json', problem: 'is not JSON', repair: restored, damage: true },
      {
        path: 'ann/x.json',
        problem: 'is of the document "abc", whose file is abc.json',
        advice: 'first mend abc.json, then repair again',
        damage: true,
      },
    ],
    mended: { 'ann/abc.json': record('p3', 1003), 'ann/abc.json.corrupt-T': '"p9' },
  },
  {
    what: 'a folder in the place of a record',
    files: { 'ann/new.json/x': 'p9' },
    found: [{ path: 'ann/new.json', problem: 'is not a file', repair: 'is set aside', damage: true }],
    mended: { 'ann/new.json.corrupt-T/x': 'p9' },
  },
  {
    what: 'a symbolic link in the place of a record',
    make: (dir) => symlink('abc.json', join(dir, 'ann', 'new.json')),
    found: [
      {
        path: 'ann/new.json',
        problem: 'is a symbolic link: kss does not follow it',
        advice: 'put the file itself in its place',
        damage: true,
      },
    ],
    left: ['ann/new.json'],
  },
]

const histories: Damage[] = [
  {
    what: 'a history without its record',
    make: remove('ann/abc.json'),
    found: [
      {
        path: 'ann/history/abc.jsonl',
        problem: 'has no record',
        repair: 'gives its newest good line to abc.json',
        damage: true,
      },
    ],
    mended: { 'ann/abc.json': record('p2', 1002), 'ann/history/abc.jsonl': lines('p1', 'p2') },
  },
  {
    what: 'a raw and an escaped history of a document without a record',
    files: {
      'ann/history/%46oo.jsonl': record('p3', 3, 'Foo'),
      'ann/history/Foo.jsonl': record('p4', 4, 'Foo'),
    },
    found: ['%46oo', 'Foo'].map((stem) => ({
      path: `ann/history/${stem}.jsonl`,
      problem: 'has no record',
      repair: `gives its newest good line to ${stem}.json`,
      damage: true,
    })),
    mended: {
      'ann/%46oo.json': record('p3', 3, 'Foo'),
      'ann/history/%46oo.jsonl': record('p3', 3, 'Foo') + record('p4', 4, 'Foo'),
      'ann/history/Foo.jsonl': undefined,
    },
  },
  {
    what: 'a history with lines that cannot be read',
    files: { 'ann/history/abc.jsonl': `{"progress":"p0"\n${lines('p1')}x\n${lines('p2')}` },
    found: [
      {
        path: 'ann/history/abc.jsonl',
        problem: 'has 2 lines that cannot be read',
        repair: 'is kept as a copy; its good lines stay: 2',
        damage: true,
      },
    ],
    mended: {
      'ann/history/abc.jsonl': lines('p1', 'p2'),
      'ann/history/abc.jsonl.corrupt-T': `{"progress":"p0"\n${lines('p1')}x\n${lines('p2')}`,
    },
  },
  {
    what: 'a history of one line that cannot be read',
    files: { 'ann/history/abc.jsonl': 'x\n' },
    found: [
      {
        path: 'ann/history/abc.jsonl',
        problem: 'has 1 line that cannot be read',
        repair: 'is kept as a copy; its good lines stay: 0',
        damage: true,
      },
    ],
    mended: { 'ann/history/abc.jsonl': undefined, 'ann/history/abc.jsonl.corrupt-T': 'x\n' },
  },
  {
    what: 'a history with a torn end',
    files: { 'ann/history/abc.jsonl': `${lines('p1', 'p2')}{"progress":"p3"` },
    found: [
      {
        path: 'ann/history/abc.jsonl',
        problem: 'ends in a line that a crash tore',
        repair: 'is kept as a copy; its good lines stay: 2',
        damage: false,
      },
    ],
    mended: { 'ann/history/abc.jsonl': lines('p1', 'p2') },
  },
  {
    what: 'a history with lines of other documents',
    files: {
      'ann/history/abc.jsonl': lines('p1') + record('p3', 3, 'new') + lines('p2') + record('p4', 4, 'x'),
      'ann/x.json': record('p5', 5, 'x'),
    },
    found: [
      {
        path: 'ann/history/abc.jsonl',
        problem: 'has 1 line of the document "new"',
        repair: 'loses them to history/new.jsonl',
        damage: true,
      },
      {
        path: 'ann/history/abc.jsonl',
        problem: 'has 1 line of the document "x"',
        repair: 'loses them to history/x.jsonl',
        damage: true,
      },
    ],
    mended: {
      'ann/history/abc.jsonl': lines('p1', 'p2'),
      'ann/history/new.jsonl': record('p3', 3, 'new'),
      'ann/new.json': record('p3', 3, 'new'),
      'ann/history/x.jsonl': record('p4', 4, 'x'),
      'ann/x.json': record('p5', 5, 'x'),
    },
  },
  {
    what: 'a file in the place of the histories',
    files: { 'bob/auth.json': auth('bob'), 'bob/history': 'p9' },
    found: [{ path: 'bob/history', problem: 'is not a folder', repair: 'is set aside', damage: true }],
    mended: { 'bob/history.corrupt-T': 'p9' },
  },
  {
    what: 'a history that is a link, and lines and a record that belong there',
    files: {
      'ann/def.json': record('p9', 9, 'def'),
      'ann/x.json': record('p8', 8, 'def'),
      'ann/history/abc.jsonl': lines('p1', 'p2') + record('p7', 7, 'def'),
    },
    make: (dir) => symlink('abc.jsonl', join(dir, 'ann', 'history', 'def.jsonl')),
    found: [
      {
        path: 'ann/history/abc.jsonl',
        problem: 'has 1 line of the document "def"',
        advice: 'first mend the history of def.json',
        damage: true,
      },
      {
        path: 'ann/history/def.jsonl',
        problem: 'is a symbolic link: kss does not follow it',
        advice: 'put the file itself in its place',
        damage: true,
      },
      {
        path: 'ann/x.json',
        problem: 'is of the document "def", as is def.json',
        advice: 'first mend the history of def.json',
        damage: true,
      },
    ],
    left: ['ann/history/abc.jsonl', 'ann/history/def.jsonl', 'ann/x.json'],
  },
]

const untidy: Damage[] = [
  ...(
    [
      ['ann', 0o755, 0o700, false],
      ['ann', 0o770, 0o700, true],
      ['ann/auth.json', 0o640, 0o600, true],
      ['ann/abc.json', 0o644, 0o600, false],
      ['ann/abc.json', 0o666, 0o600, true],
      ['ann/history', 0o711, 0o700, false],
      ['ann/history/abc.jsonl', 0o604, 0o600, false],
    ] as const
  ).map(([path, bits, right, damage]) => ({
    what: `${path} with mode ${bits.toString(8)}`,
    make: mode(path, bits),
    found: [
      {
        path,
        problem: `has mode 0${bits.toString(8)} instead of 0${right.toString(8)}`,
        repair: `gets mode 0${right.toString(8)}`,
        damage,
      },
    ],
  })),
  ...['ann/.tmp-1', 'ann/history/.tmp-1'].map((path) => ({
    what: `a temp that was left over, ${path}`,
    files: { [path]: 'x' },
    make: (dir: string) => utimes(join(dir, path), 1, 1),
    found: [{ path, problem: 'is a temporary file that was left over', repair: 'is removed', damage: false }],
    mended: { [path]: undefined },
  })),
  ...['ann/abc.json', 'ann/history/abc.jsonl'].map((path) => ({
    what: `what was set aside before, ${path}`,
    files: { [`${path}.corrupt-${time}`]: 'x' },
    found: [
      {
        path: `${path}.corrupt-T`,
        problem: 'was set aside on 2023-11-14T22:13:20.000Z, because it was damaged',
        advice: 'remove it when you do not need it',
        damage: false,
      },
    ],
    left: [`${path}.corrupt-T`],
  })),
  ...['ann/notes.txt', 'ann/._abc.json', 'ann/history/notes.txt'].map((path) => ({
    what: `a file that kss does not know, ${path}`,
    files: { [path]: 'x' },
    found: [{ path, problem: 'is nothing that kss knows', advice: moveAway, damage: false }],
    left: [path],
  })),
  {
    what: 'a folder that is no user’s',
    files: { 'photos/1.jpg': 'x' },
    found: [{ path: 'photos', problem: 'is nothing that kss knows', advice: moveAway, damage: false }],
    left: ['photos'],
  },
]

/** A session of the console. */
const sessionPath = `.console/sessions/${'a'.repeat(64)}.json`

const top: Damage[] = [
  ...(
    [
      ['.registration.json', '{', 'is not JSON'],
      ['.registration.json', '{"open":1}', 'does not say who may register'],
    ] as const
  ).map(([path, text, problem]) => ({
    what: `a ${path} that holds ${text}`,
    files: { [path]: text },
    found: [
      {
        path,
        problem,
        repair: 'is set aside; registration is closed',
        advice: 'decide who may register: kss registration open',
        damage: true,
      },
    ],
    mended: { [path]: '{"open":false,"invited":[]}\n', [`${path}.corrupt-T`]: text },
  })),
  ...['{', '{"format":"x"}'].map((text) => ({
    what: `a .format that holds ${text}`,
    files: { '.format': text },
    found: [
      {
        path: '.format',
        problem: 'does not say what format the directory has',
        advice: 'write {"format":1} into it, unless a newer kss used this directory',
        damage: true,
      },
    ],
    left: ['.format'],
  })),
  ...(
    [
      ['.backups', 0o750, 0o700],
      ['.backups/1.tar.gz', 0o640, 0o600],
      ['.journal', 0o777, 0o700],
      ['.journal/0000000001.log', 0o620, 0o600],
      ['.wal', 0o777, 0o700],
      ['.wal/0000000001.log', 0o620, 0o600],
      ['.registration.json', 0o666, 0o600],
      ['.console', 0o750, 0o700],
      ['.console/sessions', 0o755, 0o700],
      [sessionPath, 0o640, 0o600],
      ['.console/operators.json', 0o666, 0o600],
    ] as const
  ).map(([path, bits, right]) => ({
    what: `${path} with mode ${bits.toString(8)}`,
    files: {
      '.backups/1.tar.gz': 'x',
      '.journal/0000000001.log': '',
      '.wal/0000000001.log': '',
      '.registration.json': '{}',
      [sessionPath]: '{}',
      '.console/operators.json': '{}',
    },
    make: mode(path, bits),
    found: [
      {
        path,
        problem: `has mode 0${bits.toString(8)} instead of 0${right.toString(8)}`,
        repair: `gets mode 0${right.toString(8)}`,
        damage: true,
      },
    ],
  })),
  ...['.backups', '.journal', '.wal', '.console', '.console/sessions', '.format', '.registration.json'].map((path) => {
    const kind = /json|format/.test(path) ? 'file' : 'folder'
    return {
      what: `a ${path} that is no ${kind}`,
      files: { [kind === 'file' ? `${path}/x` : path]: 'x' },
      found: [{ path, problem: `is not a ${kind}`, repair: 'is set aside', damage: true }],
      mended: { [kind === 'file' ? `${path}.corrupt-T/x` : `${path}.corrupt-T`]: 'x' },
    }
  }),
  {
    what: 'a directory that everybody may write to',
    make: mode('.', 0o777),
    found: [
      {
        path: '.',
        problem: 'is a folder that every user of this machine may write to',
        repair: 'can be written to by its owner alone',
        damage: true,
      },
    ],
  },
  {
    what: 'a symbolic link in the place of a user’s folder',
    make: (dir) => symlink('ann', join(dir, 'bob')),
    found: [
      {
        path: 'bob',
        problem: 'is a symbolic link: kss does not follow it',
        advice: 'put the folder itself in its place',
        damage: true,
      },
    ],
    left: ['bob'],
  },
  ...[
    'notes.txt',
    '.DS_Store',
    '.backups/notes.txt',
    '.backups/.x.tar.gz',
    '.journal/notes.txt',
    '.wal/notes.txt',
    '.console/notes.txt',
    '.console/sessions/notes.json',
    '.lock-1',
  ].map((path) => ({
    what: `a file that kss does not know, ${path}`,
    files: { [path]: 'x' },
    found: [{ path, problem: 'is nothing that kss knows', advice: moveAway, damage: false }],
    left: [path],
  })),
  {
    what: 'a user that was left over half made',
    files: { '.tmp-1/auth.json': 'x' },
    make: (dir) => utimes(join(dir, '.tmp-1'), 1, 1),
    found: [{ path: '.tmp-1', problem: 'is a temporary file that was left over', repair: 'is removed', damage: false }],
    mended: { '.tmp-1/auth.json': undefined },
  },
]

const folderDamage = [...credentials, ...records, ...histories, ...untidy]

/** What a scan of the folders finds, and what one of the top. */
export const damages: { folders: Damage[]; top: Damage[] } = { folders: folderDamage, top }

/** A line of the journal for a push of ann's. */
export const push = (progress: string, document = 'abc', folder = 'ann'): string =>
  pushLine(`/${folder}/${toFileName(document)}.json`, record(progress, 2000, document).trim(), true)

/** A directory with the lock of a process that was killed, and one of a process that runs. */
export async function makeLocks(t: Test): Promise<{ dir: string }> {
  // t.testdir's path is too long for a socket.
  const dir = await mkdtemp(join(tmpdir(), 'kss-check-'))
  for (const name of ['.lock-1', '.lock-2']) {
    const server = createServer((socket) => socket.end())
    await new Promise<void>((resolve) => server.listen(join(dir, `${name}x`), resolve))
    await link(join(dir, `${name}x`), join(dir, name))
    const close = (): Promise<unknown> => new Promise((resolve) => server.close(resolve))
    if (name === '.lock-1') await close()
    else t.teardown(close)
    await rm(join(dir, `${name}x`), { force: true })
  }
  t.teardown(() => rm(dir, { recursive: true }))
  return { dir }
}
