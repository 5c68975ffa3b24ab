import { readFile, writeFile } from 'node:fs/promises'
import { test } from 'tap'
import { errorTable } from '../src/kosync/protocol.ts'
import { generateOpenApi } from './openapi.ts'

const path = new URL('../openapi.json', import.meta.url)

test('openapi.json is what the routes give (npm run openapi writes it)', async (t) => {
  const generated = await generateOpenApi()
  if (t.writeSnapshot) await writeFile(path, generated)
  t.equal(await readFile(path, 'utf8'), generated)
})

test('openapi.json has every route of the protocol and no preflight, HEAD or 405', async (t) => {
  const { paths } = JSON.parse(await generateOpenApi()) as { paths: Record<string, object> }
  const operations = Object.entries(paths).flatMap(([url, methods]) =>
    Object.keys(methods).map((method) => `${method} ${url}`),
  )
  t.same(operations, [
    'get /healthcheck',
    'post /users/create',
    'get /users/auth',
    'put /users/password',
    'delete /users/me',
    'put /syncs/progress',
    'get /syncs/progress/{document}',
    'get /readiness',
  ])
})

test('openapi.json has every error that a route can give', async (t) => {
  const generated = await generateOpenApi()
  for (const name of Object.keys(errorTable)) {
    const ofAnotherPath = name === 'notFound' || name === 'methodNotAllowed'
    t.equal(generated.includes(`"${name}": {`), !ofAnotherPath, name)
  }
})
