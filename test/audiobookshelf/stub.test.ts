import t, { type Test } from 'tap'
import { AbsStub, type Fault } from './stub.ts'

const item = { id: 'item-1', title: 'A Book', duration: 3600, ebook: Buffer.alloc(2000, 'x') }

async function start(t: Test): Promise<AbsStub> {
  const stub = await AbsStub.start(t)
  stub.addItem(item)
  return stub
}

type Init = Omit<RequestInit, 'headers'> & { headers?: Record<string, string> }

function ask(stub: AbsStub, path: string, init: Init = {}): Promise<Response> {
  const headers = { authorization: 'Bearer key-ann', 'content-type': 'application/json', ...init.headers }
  return fetch(stub.url + path, { redirect: 'manual', ...init, headers })
}

function patch(stub: AbsStub, body: unknown, id = 'item-1', headers = {}): Promise<Response> {
  return ask(stub, `/api/me/progress/${id}`, { method: 'PATCH', body: JSON.stringify(body), headers })
}

async function progress(stub: AbsStub): Promise<Record<string, unknown>> {
  return (await (await ask(stub, '/api/me/progress/item-1')).json()) as Record<string, unknown>
}

t.test(
  'a create ignores lastUpdate, an update honours it; without it an update of nothing changes no time',
  async (t) => {
    const stub = await start(t)
    t.equal((await ask(stub, '/api/me/progress/item-1')).status, 404)
    const body = { currentTime: 60, duration: 3600, progress: 1 / 60, lastUpdate: 1000 }
    t.equal(await (await patch(stub, body)).text(), 'OK')
    t.not((await progress(stub))['lastUpdate'], 1000)
    await patch(stub, { ...body, currentTime: 61 })
    t.equal((await progress(stub))['lastUpdate'], 1000)
    await patch(stub, { ...body, currentTime: 61, lastUpdate: 2000 })
    t.equal((await progress(stub))['lastUpdate'], 2000)
    await patch(stub, { currentTime: 61 })
    t.equal((await progress(stub))['lastUpdate'], 2000)
    await patch(stub, { currentTime: 62 })
    t.not((await progress(stub))['lastUpdate'], 2000)
  },
)

t.test('first PATCHes at once make two records', async (t) => {
  const stub = await start(t)
  await Promise.all([patch(stub, { currentTime: 1, duration: 3600 }), patch(stub, { currentTime: 2, duration: 3600 })])
  t.equal(stub.records.length, 2)
  t.equal(stub.most, 2)
  await patch(stub, { currentTime: 500, duration: 3600 })
  t.not((await progress(stub))['currentTime'], 500)
})

t.test(
  'the end finishes, isFinished:false sets the time to 0, and extraData without its ids loses the record',
  async (t) => {
    const stub = await start(t)
    await patch(stub, { currentTime: 3591, duration: 3600 })
    t.match(await progress(stub), { isFinished: true, finishedAt: Number })
    await patch(stub, { currentTime: 3000 })
    t.match(await progress(stub), { isFinished: false, finishedAt: null, progress: 0 })
    await patch(stub, { isFinished: true, progress: 0.5 })
    t.match(await progress(stub), { isFinished: true, progress: 1 })
    await patch(stub, { isFinished: false })
    t.match(await progress(stub), { currentTime: 0, progress: 0 })
    await patch(stub, { currentTime: 5, extraData: { koreader: 1 } })
    t.equal((await ask(stub, '/api/me/progress/item-1')).status, 404)
  },
)

t.test('other content types store nothing, podcasts are refused, an object as ebookLocation kills', async (t) => {
  const stub = await start(t)
  stub.addItem({ id: 'pod', title: 'Pod', mediaType: 'podcast' })
  t.equal((await patch(stub, { currentTime: 1 }, 'item-1', { 'content-type': 'text/plain' })).status, 200)
  t.equal(stub.records.length, 0)
  t.equal((await patch(stub, {}, 'pod')).status, 400)
  t.equal(await (await patch(stub, {}, 'none')).text(), 'Library item not found')
  await t.rejects(patch(stub, { ebookLocation: {} }))
})

t.test('a range is cut at the end, and past it is 500', async (t) => {
  const stub = await start(t)
  const range = (text: string): Promise<Response> => ask(stub, '/api/items/item-1/ebook', { headers: { range: text } })
  t.equal((await (await range('bytes=1024-9000')).arrayBuffer()).byteLength, 976)
  t.equal((await range('bytes=4096-5119')).status, 500)
  t.equal((await range('bytes=0-1,5-6')).status, 200)
})

t.test('faults come on demand', async (t) => {
  const stub = await start(t)
  const statuses: [Fault, number][] = [
    ['page502', 502],
    ['redirect', 302],
    ['tooMany', 429],
    ['refuse', 401],
    ['notJson', 200],
  ]
  for (const [fault, status] of statuses) {
    stub.fault = fault
    t.equal((await ask(stub, '/status')).status, status, fault)
  }
  stub.fault = 'reset'
  await t.rejects(ask(stub, '/status'))
  stub.fault = undefined
  t.equal((await ask(stub, '/api/me', { headers: { authorization: 'Bearer wrong' } })).status, 401)
  await stub.down()
  await t.rejects(ask(stub, '/status'))
  await stub.up()
  t.equal((await ask(stub, '/status')).status, 200)
})
