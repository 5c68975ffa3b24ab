import t from 'tap'
import { Reader } from '../helper.ts'
import { openOperatorConsole } from './operator-console.ts'

const page = { statusCode: 303, headers: { location: '/admin/registration' } }

t.test('registration is opened, for a time, closed, and left to the settings', async (t) => {
  const { root, files, clock, log } = await openOperatorConsole(t)
  t.match(
    (await root.get('/admin/registration')).body,
    /is open: anybody can make an account\. That is what the settings/,
  )
  t.match(await root.post('/admin/registration/close'), page)
  t.match((await root.get('/admin/registration')).body, /Registration is closed\. /)
  t.match(await root.post('/admin/registration/open', { for: '1h' }), page)
  t.match(await files.getRegistration(), { open: true, until: clock.now / 1000 + 3600 })
  t.match((await root.get('/admin/registration')).body, /an account, until <time/)
  clock.now += 3601_000
  t.match((await root.get('/admin/registration')).body, /Registration is closed\. /)
  t.match(await root.post('/admin/registration/open'), page)
  t.match(await files.getRegistration(), { open: true, until: undefined })
  t.match(await root.post('/admin/registration/default'), page)
  t.equal((await files.getRegistration()).open, undefined)
  t.same(
    log.filter((line) => line.startsWith('console:')),
    [
      'console: root: registration close',
      'console: root: registration open --for 1h',
      'console: root: registration open',
      "console: root: registration 'as the settings say'",
    ],
  )
})

t.test('a duration that is not in the list opens nothing', async (t) => {
  const { root, files } = await openOperatorConsole(t)
  await root.get('/admin/registration')
  t.match(await root.post('/admin/registration/open', { for: '100y' }), {
    statusCode: 400,
    body: 'Choose for how long',
  })
  t.equal((await files.getRegistration()).open, undefined)
})

t.test('a person is invited, with a line to hand on, and the invitation is taken back', async (t) => {
  const { app, root, files, activity } = await openOperatorConsole(t)
  await root.get('/admin/registration')
  await root.post('/admin/registration/close')
  t.match(await root.post('/admin/registration/invite', { username: ' <b>carol ' }), page)
  const { body } = await root.get('/admin/registration')
  t.match(body, 'closed, but for those who are invited')
  t.match(body, /<code>Open http:\/\/kss\.local:8080\/sign-up and sign up as <bdi>&lt;b&gt;carol<\/bdi>/)
  t.match(activity.list()[0], { kind: 'change', who: 'root', what: "invite '<b>carol'" })
  t.match(await root.post('/admin/registration/cancel', { username: '<b>carol' }), page)
  t.same((await files.getRegistration()).invited, [])
  await root.post('/admin/registration/invite', { username: 'dave' })
  t.equal((await new Reader(app, 'dave').register()).statusCode, 201)
})

for (const [what, username, message] of [
  ['has an account', 'bob', /has an account already/],
  ['can be nobody’s', 'a:b', /A name has 1 to 255 characters/],
  ['is empty', '', /A name has 1 to 255 characters/],
] as const) {
  t.test(`a name that ${what} is not invited`, async (t) => {
    const { root, files } = await openOperatorConsole(t)
    await root.get('/admin/registration')
    t.match(await root.post('/admin/registration/invite', { username }), { statusCode: 400, body: message })
    t.same((await files.getRegistration()).invited, [])
  })
}

t.test('fields that are left out do nothing', async (t) => {
  const { root, files } = await openOperatorConsole(t)
  await root.get('/admin/registration')
  t.match(await root.post('/admin/registration/invite'), { statusCode: 400 })
  t.match(await root.post('/admin/registration/cancel'), page)
  t.match(await root.post('/admin/registration/return'), page)
  t.same((await files.getRegistration()).invited, [])
})

t.test('behind https the line to hand on says so', async (t) => {
  const { visit } = await openOperatorConsole(t, { trustedProxies: ['127.0.0.1'] })
  const root = visit({ 'x-forwarded-proto': 'https', 'x-forwarded-host': 'kss.example', origin: 'https://kss.example' })
  await root.signIn('root')
  await root.get('/admin/registration')
  await root.post('/admin/registration/invite', { username: 'carol' })
  t.match((await root.get('/admin/registration')).body, 'Open https://kss.example/sign-up')
})

t.test('a name that was removed here may return', async (t) => {
  const { root, files } = await openOperatorConsole(t)
  t.notMatch((await root.get('/admin/registration')).body, 'Names that do not come back')
  await files.deleteUser((await files.getUser('bob'))!.account)
  t.match((await root.get('/admin/registration')).body, /Names that do not come back[^]*<bdi>bob/)
  t.match(await root.post('/admin/registration/return', { username: 'bob' }), page)
  t.same((await files.getRegistration()).removed ?? [], [])
})
