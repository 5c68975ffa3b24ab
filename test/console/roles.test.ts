import t from 'tap'
import { routes as ownRoutes } from '../../src/console/console.ts'
import type { Route } from '../../src/console/route.ts'
import { position } from '../helper.ts'
import { accountOf } from '../store/by-name.ts'
import { bridgeRoutes, openBridgedConsole as openConsole } from '../audiobookshelf/bridged-console.ts'
import type { Visitor } from './visitor.ts'

const routes = [...ownRoutes, ...bridgeRoutes]

/** With parameters that exist for ann, and for nobody else. */
const pathOf = ({ url }: Route): string => url.replace(/:\w+/g, 'abc')

/** What the frame answers who may not ask. */
const outcomes = {
  nobody: { GET: [303, /^\/\?next=/], POST: [401, undefined] },
  reader: { GET: [403, undefined], POST: [403, undefined] },
} as const

for (const route of routes.filter(({ who }) => who !== 'anyone')) {
  const { method, who } = route
  t.test(`${method} ${route.url} is for ${who === 'reader' ? 'who is signed in' : 'operators'} alone`, async (t) => {
    const { visit, reader, store } = openConsole(t)
    const ask = (visitor: Visitor) =>
      method === 'GET'
        ? visitor.get(pathOf(route))
        : visitor.post(pathOf(route), { token: visitor.tokenFor('/sign-out') })
    const nobody = await ask(visit())
    const [status, location] = outcomes.nobody[method]
    t.equal(nobody.statusCode, status, 'nobody')
    if (location) t.match(nobody.headers.location, location)
    const ann = await reader('ann')
    const asReader = await ask(ann)
    if (who === 'operator') {
      t.match(asReader, { statusCode: 403, body: /Only for the operator/ }, 'a reader')
      const { account } = (await store.getUser('ann'))!
      await store.setAdmin(account, true)
      const operator = visit()
      await operator.signIn('ann')
      t.notMatch((await ask(operator)).body, /Only for the operator/, 'an operator')
    } else t.notMatch(asReader.body, /Only for the operator|You are signed out/, 'a reader')
  })
}

for (const route of routes.filter(({ method }) => method === 'POST')) {
  t.test(`POST ${route.url} changes nothing without a token, or from another page`, async (t) => {
    const { visit, reader, store } = openConsole(t)
    const ann = await reader('ann')
    await store.setAdmin(await accountOf(store, 'ann'), true)
    await ann.signIn('ann')
    await store.putProgress(await accountOf(store, 'ann'), { ...position, timestamp: 1 })
    await reader('bob')
    const bob = visit()
    await bob.signIn('bob')
    const before = JSON.stringify([await store.listUsers(), await store.getUser('ann'), await store.getRegistration()])
    const path = pathOf(route)
    for (const [fields, headers] of [
      [{ token: '' }, {}],
      [{ token: bob.tokenFor('/sign-out') }, {}],
      [{}, { origin: 'http://evil.example' }],
      [{}, { 'sec-fetch-site': 'cross-site' }],
      [{}, { host: 'evil.example' }],
    ] as const) {
      t.equal((await ann.post(path, fields, headers)).statusCode, 403, JSON.stringify([fields, headers]))
    }
    t.equal(await ann.isIn(), true)
    t.equal(
      JSON.stringify([await store.listUsers(), await store.getUser('ann'), await store.getRegistration()]),
      before,
    )
  })
}

for (const route of routes.filter(({ url, who }) => url.includes(':') && who === 'reader')) {
  t.test(`${route.method} ${route.url} of another reader’s book tells and changes nothing`, async (t) => {
    const { visit, reader, store } = openConsole(t)
    await reader('ann')
    const account = await accountOf(store, 'ann')
    await store.putProgress(account, { ...position, device: 'secret-device', timestamp: 1 })
    await reader('bob')
    const bob = visit()
    await bob.signIn('bob')
    const path = pathOf(route)
    const form = { token: bob.tokenFor('/sign-out') }
    const reply = await (route.method === 'GET' ? bob.get(path) : bob.post(path, form))
    t.ok(reply.statusCode >= 300, `${reply.statusCode}`)
    t.notMatch(reply.body, 'secret-device')
    t.match(await store.getProgress(account, 'abc'), { device: 'secret-device' })
  })
}
