import swagger from '@fastify/swagger'
import type { OpenAPIV3_1 as OpenAPI } from 'openapi-types'
import { pino } from 'pino'
import { createApp } from '../src/app.ts'
import { errorReply, errorTable, type ErrorName } from '../src/kosync/protocol.ts'
import { MemoryStore } from '../src/store/memory-store.ts'
import { readVersion } from '../src/version.ts'

interface About {
  id: string
  summary: string
  /** Whether it needs credentials. */
  open?: boolean
  errors: ErrorName[]
}

// A server that is stopping answers 503, whatever it is asked.
const anywhere: ErrorName[] = [
  'badRequest',
  'requestTimeout',
  'httpsOnly',
  'expectationFailed',
  'tooManyConnections',
  'headersTooLarge',
  'unknown',
  'unavailable',
]
const body: ErrorName[] = ['notJson', 'notAnObject', 'bodyTooLarge', 'invalidRequest']
const writes: ErrorName[] = ['storageFull']

/** What the routes' own schemas do not say of an operation. */
const operations: Record<string, About> = {
  'get /healthcheck': { id: 'healthcheck', summary: 'Tells that the server answers', open: true, errors: anywhere },
  'get /readiness': {
    id: 'readiness',
    summary: 'Tells a load balancer whether to send requests here; not of the protocol',
    open: true,
    // Its 503 has a body of its own.
    errors: anywhere.filter((name) => name !== 'unavailable'),
  },
  'post /users/create': {
    id: 'register',
    summary: 'Registers a user; password is the lower-case hex MD5 of what the person typed',
    open: true,
    errors: [
      ...anywhere,
      ...body,
      ...writes,
      'userExists',
      'tooManyRegistrationsV1',
      'tooManyAttempts',
      'registrationDisabledV1',
      'registrationDisabled',
    ],
  },
  'get /users/auth': {
    id: 'authorize',
    summary: 'Tells whether the credentials are right',
    errors: [...anywhere, 'unauthorized', 'tooManyAttempts'],
  },
  'put /users/password': {
    id: 'changePassword',
    summary: 'Gives the user another key; positions are kept',
    errors: [...anywhere, ...body, ...writes, 'unauthorized', 'tooManyAttempts'],
  },
  'delete /users/me': {
    id: 'deleteAccount',
    summary: 'Deletes the account, its positions and its history',
    errors: [...anywhere, ...writes, 'unauthorized', 'tooManyAttempts', 'accountNotFound'],
  },
  'put /syncs/progress': {
    id: 'updateProgress',
    summary: 'Stores where the reader is in a document; answers when it is on the disk',
    errors: [...anywhere, ...body, ...writes, 'quotaReached', 'unauthorized', 'tooManyAttempts', 'documentMissing'],
  },
  'get /syncs/progress/{document}': {
    id: 'getProgress',
    summary: 'Gives the latest position in a document, or {} when there is none',
    errors: [...anywhere, 'unauthorized', 'tooManyAttempts', 'documentMissing'],
  },
}

/** The text of openapi.json: the routes' own schemas, and the words above. */
export async function generateOpenApi(): Promise<string> {
  const app = createApp({ store: new MemoryStore(), logger: pino({ level: 'silent' }) })
  // Called, not registered: a registered plugin would come after the routes.
  swagger(app, { openapi, convertConstToEnum: false, transform }, () => undefined)
  await app.ready()
  const document = app.swagger() as OpenAPI.Document
  await app.close()
  for (const [path, methods] of Object.entries(document.paths ?? {})) {
    for (const [method, operation] of Object.entries(methods ?? {})) {
      describe(operation as OpenAPI.OperationObject, `${method} ${path}`)
    }
  }
  return `${JSON.stringify(document, null, 2)}\n`
}

const openapi: Omit<Partial<OpenAPI.Document>, 'openapi'> & { openapi: string } = {
  openapi: '3.1.0',
  info: {
    title: 'kss',
    description: 'The KOReader sync protocol, as kss serves it. See docs/api.md.',
    version: readVersion(),
    license: { name: 'MIT', identifier: 'MIT' },
  },
  servers: [{ url: 'http://localhost:8080' }],
  components: {
    securitySchemes: {
      user: { type: 'apiKey', in: 'header', name: 'x-auth-user', description: 'The user name, as UTF-8 bytes' },
      key: { type: 'apiKey', in: 'header', name: 'x-auth-key', description: 'The lower-case hex MD5 of the password' },
      basic: { type: 'http', scheme: 'basic', description: 'User name and password as typed, not its MD5' },
    },
    schemas: { Error: errorReply as unknown as OpenAPI.SchemaObject },
  },
}

/** Routes without a schema are the preflights and the 405s. The wildcard gets the name it has in the protocol. */
const transform: swagger.SwaggerTransform = ({ schema, url }) => {
  if (!schema) return { schema: { hide: true }, url }
  if (!url.endsWith('/*')) return { schema, url }
  const { properties } = schema.params as { properties: Record<string, object> }
  const params = { type: 'object', required: ['document'], properties: { document: properties['*'] } }
  return { schema: { ...schema, params }, url: url.replace('*', ':document') }
}

function describe(operation: OpenAPI.OperationObject, name: string): void {
  const about = operations[name]
  if (!about) throw new Error(`test/openapi.ts does not know ${name}`)
  operation.operationId = about.id
  operation.summary = about.summary
  if (!about.open) operation.security = [{ user: [], key: [] }, { basic: [] }]
  const responses = operation.responses as Record<string, OpenAPI.ResponseObject>
  for (const response of Object.values(responses)) response.description = 'Done'
  for (const error of about.errors) {
    const { code, status, message } = errorTable[error]
    responses[status] ??= { description: '', content: { 'application/json': { schema: errorSchema, examples: {} } } }
    const { examples } = responses[status].content!['application/json']!
    examples![error] = { value: { code, message } }
    responses[status].description = Object.values(examples!).map(messageOf).join(' / ')
  }
}

const errorSchema = { $ref: '#/components/schemas/Error' }

function messageOf(example: OpenAPI.ReferenceObject | OpenAPI.ExampleObject): string {
  return (example as { value: { message: string } }).value.message
}
