import t from 'tap'
import { Activity } from '../../src/activity/activity.ts'
import type { RequestLine } from '../../src/log.ts'

const line = (more: Partial<RequestLine>): RequestLine => ({
  id: '1',
  method: 'GET',
  path: '/users/auth',
  status: 200,
  ms: 1,
  user: 'ann',
  ip: '192.0.2.1',
  ...more,
})

function activityAt(time = 1000): Activity {
  let now = time
  return new Activity({ now: () => now++ })
}

t.test('what readers and operators do is listed, the newest first', async (t) => {
  const activity = activityAt()
  activity.addRequest(line({ method: 'POST', path: '/kosync/users/create', status: 201 }), false)
  activity.addRequest(line({}), false)
  activity.addCommand('kss user disable bob')
  activity.add('change', 'root', 'user enable bob')
  t.same(activity.list(), [
    { kind: 'change', who: 'root', what: 'user enable bob', time: 1003, count: 1 },
    { kind: 'command', who: '', what: 'kss user disable bob', time: 1002, count: 1 },
    { kind: 'sign-in', who: 'ann', what: 'on a reader', time: 1001, count: 1 },
    { kind: 'registration', who: 'ann', what: 'on a reader', time: 1000, count: 1 },
  ])
})

const forms: [Partial<RequestLine>, object[]][] = [
  [{ path: '/sign-in', status: 303 }, [{ kind: 'sign-in', who: 'ann', what: 'in the browser' }]],
  [{ path: '/kosync/sign-up', status: 303 }, [{ kind: 'registration', who: 'ann', what: 'in the browser' }]],
  [{ path: '/sign-in', status: 200 }, []],
  [{ path: '/sign-out', status: 303 }, []],
]

for (const [more, entries] of forms) {
  t.test(`the form ${more.path} with ${more.status} is told as ${JSON.stringify(entries)}`, async (t) => {
    const activity = activityAt()
    activity.addRequest(line({ method: 'POST', ...more }), false)
    t.equal(activity.list().length, entries.length)
    t.match(activity.list(), entries)
  })
}

t.test('pushes, pulls and health checks that went well are counted at most', async (t) => {
  const activity = new Activity()
  activity.addRequest(line({ method: 'PUT', path: '/syncs/progress' }), false)
  activity.addRequest(line({ path: '/healthcheck' }), true)
  t.same(activity.list(), [])
  t.match(activity.listMinutes().at(-1), { requests: 1, failures: 0 })
  activity.addRequest(line({ path: '/healthcheck', status: 503, user: '' }), true)
  t.match(activity.listMinutes().at(-1), { requests: 2, failures: 1 })
  t.match(activity.list(), [{ kind: 'failure', who: '192.0.2.1', what: 'GET /healthcheck 503' }])
})

const failures: [Partial<RequestLine>, string][] = [
  [{ status: 401, reason: 'wrong key' }, 'GET /users/auth 401: wrong key'],
  [{ status: 404, path: '/syncs/progress/My%20Diary', reason: 'x My%20Diary' }, 'GET /syncs/progress/… 404'],
  [{ status: 404, path: '/books/My%20Diary' }, 'GET /books/… 404'],
  [{ status: 404, path: '/a/syncs/progress/Diary/b' }, 'GET /a/syncs/progress/… 404'],
  [{ status: 401, path: '/syncs//progress/Diary' }, 'GET /syncs//progress/… 401'],
  [{ status: 401, path: '/syncs/%70rogress/Diary' }, 'GET /syncs/… 401'],
  [{ status: 404, path: '/%73yncs/progress/Diary' }, 'GET /… 404'],
  [{ status: 404, path: '/syncs/annotations/Diary' }, 'GET /syncs/annotations/… 404'],
  [{ status: 404, path: '/Books//Diary/x' }, 'GET /Books/… 404'],
  [
    { status: 507, method: 'PUT', path: '/syncs/progress', document: 'Diary', reason: "ENOSPC, open '/srv/ann/Diary'" },
    'PUT /syncs/progress 507',
  ],
]

for (const [more, what] of failures) {
  t.test(`a failure is told as ${what}`, async (t) => {
    const activity = new Activity()
    activity.addRequest(line(more), false)
    t.match(activity.list(), [{ kind: 'failure', who: 'ann', what }])
  })
}

const commands = [
  ["kss doc name ann dune 'A Diary'", 'kss doc name ann …'],
  ["kss doc name 'the '\\''real'\\'' ann' dune 'A Diary'", "kss doc name 'the '\\''real'\\'' ann' …"],
  ['kss history restore ann Diary', 'kss history restore ann …'],
  ["kss doc name ann dune 'two\nlines'", 'kss doc name ann …'],
  ['kss user passwd ann', 'kss user passwd ann'],
] as const

for (const [command, what] of commands) {
  t.test(`titles are left out of ${JSON.stringify(command)}`, async (t) => {
    const activity = new Activity()
    activity.addCommand(command)
    t.match(activity.list(), [{ kind: 'command', what }])
  })
}

t.test('a flood of failures is bounded, and pushes nothing else out', async (t) => {
  const activity = activityAt()
  activity.add('registration', 'ann', 'signed up')
  for (let at = 0; at < 150; at += 1) activity.add('failure', `192.0.2.${at}`, 'GET / 404')
  const list = activity.list()
  t.equal(list.length, 101)
  t.match(list[0], { who: '192.0.2.149' })
  t.match(list.at(-1), { kind: 'registration' })
})

t.test('equal entries in a row are one with a count, and long ones are cut', async (t) => {
  const activity = activityAt()
  activity.add('failure', 'ann', 'GET / 404')
  activity.add('failure', 'ann', 'GET / 404')
  activity.add('failure', 'bob', 'GET / 404')
  activity.add('failure', 'bob', `${'x'.repeat(199)}😀`)
  t.match(activity.list(), [
    { what: `${'x'.repeat(199)}\ufffd` },
    { who: 'bob', count: 1 },
    { who: 'ann', count: 2, time: 1001 },
  ])
})
