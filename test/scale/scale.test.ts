import { execFile, spawnSync } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Ajv } from 'ajv'
import { validate } from 'dockerfile-utils'
import t from 'tap'
import { parse, parseAllDocuments } from 'yaml'
import { settings } from '../../src/config.ts'
import { launcher } from '../launcher.ts'
import { typeErrors } from './type-errors.ts'

const folder = join(import.meta.dirname, '../../docs/scale')
const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8')

interface Service {
  extends?: { file: string; service: string }
  environment?: Record<string, string>
  command?: string[]
  stop_grace_period?: string
}
interface Compose {
  services: Record<string, Service>
  networks: { inner: { ipam: { config: { subnet: string }[] } } }
}

interface Container {
  args?: string[]
  env: { name: string; value: string }[]
  livenessProbe: object
  readinessProbe: { periodSeconds: number; failureThreshold: number }
}
interface Manifest {
  apiVersion: string
  kind: string
  metadata: { name: string }
  spec: { template: { spec: { terminationGracePeriodSeconds: number; containers: [Container] } } }
}

/** Seconds in which a stop finishes what is in flight. */
const inFlight = 5

/** What `kss config` says of a container's variables, and those that are no settings. */
async function refused(environment: Record<string, string>): Promise<string[]> {
  const unknown = Object.keys(environment).filter((name) => !(name in settings.properties))
  // The password is of a file that only a container has.
  const { KSS_REDIS_PASSWORD_FILE: _file, ...rest } = environment
  const env = { PATH: process.env['PATH'], ...rest }
  await promisify(execFile)(process.execPath, [launcher, 'config', '--check'], { env })
  return unknown
}

t.test('the compose files', async (t) => {
  const schema = await readFile(join(import.meta.dirname, 'compose-spec/compose-spec.json'), 'utf8')
  // Of an older draft, but for what this one calls by another name.
  const { $schema: _draft, ...rest } = JSON.parse(schema, (key, value: unknown) =>
    key === 'id' && typeof value === 'string' ? undefined : value,
  ) as Record<string, unknown>
  const check = new Ajv({ strict: false, validateFormats: false, allErrors: true }).compile(rest)
  const errorsOf = (compose: unknown): string[] =>
    check(compose) ? [] : check.errors!.map(({ instancePath, message }) => `${instancePath} ${message}`)

  const names = (await readdir(folder)).filter((name) => name.endsWith('.yaml'))
  t.ok(names.includes('compose.yaml'))
  for (const name of names) {
    t.test(name, async (t) => {
      const compose = parse(await read(name), { merge: true }) as Compose
      t.same(errorsOf(compose), [], 'is what the Compose Specification allows')
      const wrong = { ...compose, services: { kss: { image: 'kss', restarts: 'always', ports: 8080 } } }
      t.match(errorsOf(wrong), [/additional properties/, /services\/kss\/ports must be array/])

      const servers = Object.entries(compose.services).filter(([service]) => service.startsWith('kss-'))
      t.same(
        servers.map(([service]) => service),
        ['kss-1', 'kss-2'],
      )
      for (const [, service] of servers) {
        const { environment = {}, stop_grace_period } = await extend(service)
        t.same(await refused(environment), [])
        t.ok(parseInt(stop_grace_period ?? '') > Number(environment['KSS_DRAIN_SECONDS']) + inFlight)
        t.equal(environment['KSS_TRUSTED_PROXIES'], compose.networks.inner.ipam.config[0]?.subnet)
        t.ok(hostsOf(environment['KSS_STORE']).every((host) => host in compose.services))
      }
      const engines = Object.entries(compose.services).filter(([service]) => service.startsWith('valkey'))
      for (const [, { command = [] }] of engines) t.match(command.join(' '), /--appendonly yes --appendfsync always/)
    })
  }

  t.test('name two kss in the Caddyfile, by the addresses that they have', async (t) => {
    t.match(await read('Caddyfile'), /reverse_proxy kss-1:8080 kss-2:8080 \{[^}]*health_uri \/readiness\n/)
  })

  t.test('take longer to drain than Caddy takes to see it', async (t) => {
    const [, every = '', most = ''] =
      /health_interval (\d+)s\s+health_timeout (\d+)s/.exec(await read('Caddyfile')) ?? []
    const { services } = parse(await read('compose.yaml'), { merge: true }) as Compose
    t.ok(Number(services['kss-1']?.environment?.['KSS_DRAIN_SECONDS']) > 2 * (Number(every) + Number(most)))
  })

  const noCaddy = spawnSync('caddy', ['version']).status !== 0 && 'caddy is not on this machine'
  t.test('have a Caddyfile that Caddy takes', { skip: noCaddy }, async (t) => {
    const env = { ...process.env, SITE_ADDRESS: 'localhost' }
    const args = ['validate', '--adapter', 'caddyfile', '--config', join(folder, 'Caddyfile')]
    await t.resolves(promisify(execFile)('caddy', args, { env }))
  })
})

t.test('the Dockerfile adds the client of Redis that kss takes, and goes back to the user of the image', async (t) => {
  const text = await read('Dockerfile')
  t.same(validate(text), [])
  const { peerDependencies } = JSON.parse(await readFile(join(folder, '../../package.json'), 'utf8')) as {
    peerDependencies: Record<string, string>
  }
  const [, major] = /npm install --prefix \/ @redis\/client@(\d+)\n/.exec(text) ?? []
  t.match(peerDependencies['@redis/client'], new RegExp(`^\\^${major}\\.`))
  t.match(text, /\nUSER 1000:1000\n$/)
})

t.test('the manifests of Kubernetes', async (t) => {
  const all: Manifest[] = []
  for (const name of await readdir(join(folder, 'kubernetes'))) {
    const documents = parseAllDocuments(await read(`kubernetes/${name}`))
    for (const document of documents) all.push(document.toJS() as Manifest)
  }
  const ofKss = all.find(({ kind }) => kind === 'Deployment')!.spec.template.spec
  const [kss] = ofKss.containers

  t.test('have the types of the API, and no other field', async (t) => {
    t.same(typeErrors(t.testdir({}), all), [])
    const wrong = structuredClone(all)
    Object.assign(wrong.find(({ kind }) => kind === 'Deployment')!.spec.template.spec, { terminationGraceSeconds: 30 })
    Object.assign(wrong.find(({ kind }) => kind === 'StatefulSet')!.spec, { replicas: 'one' })
    t.match(typeErrors(t.testdir({}), wrong), [
      /terminationGraceSeconds\W+does not exist/,
      /'string' is not assignable/,
    ])
  })

  t.test('name only settings that there are, with values that kss takes', async (t) => {
    t.same(await refused(Object.fromEntries(kss.env.map(({ name, value }) => [name, value]))), [])
  })

  t.test('wait for the drain, which is longer than the readiness probe takes to see it', async (t) => {
    const drain = Number(kss.env.find(({ name }) => name === 'KSS_DRAIN_SECONDS')?.value)
    const { periodSeconds, failureThreshold } = kss.readinessProbe
    t.ok(ofKss.terminationGracePeriodSeconds > drain + inFlight)
    t.ok(drain > periodSeconds * (failureThreshold + 1))
  })

  t.test('ask for readiness at /readiness, and for life where the engine does not count', async (t) => {
    t.match(kss.readinessProbe, { httpGet: { path: '/readiness' } })
    t.match(kss.livenessProbe, { httpGet: { path: '/healthcheck' } })
  })

  t.test('lead kss to an engine that keeps what it acknowledges', async (t) => {
    const services = new Set(all.filter(({ kind }) => kind === 'Service').map(({ metadata }) => metadata.name))
    const hosts = hostsOf(kss.env.find(({ name }) => name === 'KSS_STORE')?.value)
    t.ok(hosts.every((host) => services.has(host)))
    const engine = all.find(({ kind }) => kind === 'StatefulSet')!.spec.template.spec.containers[0]
    t.match(engine.args!.join(' '), /--appendonly yes --appendfsync always/)
  })
})

/** The service with what it has of another file's. */
async function extend(service: Service): Promise<Service> {
  if (!service.extends) return service
  const { services } = parse(await read(service.extends.file), { merge: true }) as Compose
  const base = services[service.extends.service]
  return { ...base, ...service, environment: { ...base?.environment, ...service.environment } }
}

/** Of an address as redis://one:6379,two:6379/1. */
function hostsOf(address = ''): string[] {
  const [, list = ''] = /^redis:\/\/([^/]+)/.exec(address) ?? []
  return list.split(',').map((each) => each.replace(/:\d+$/, ''))
}
