import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DockerfileParser, type From, type Instruction } from 'dockerfile-ast'
import { validate } from 'dockerfile-utils'
import t from 'tap'
import { parse } from 'yaml'
import { settings } from '../src/config.ts'

const project = join(import.meta.dirname, '..')
const read = (name: string): Promise<string> => readFile(join(project, name), 'utf8')
const names = Object.keys(settings.properties)

t.test('the Dockerfile', async (t) => {
  const text = await read('Dockerfile')
  const all = DockerfileParser.parse(text).getInstructions()
  const lastFrom = all.findLastIndex((one) => one.getKeyword() === 'FROM')
  const builder = all.slice(0, lastFrom)
  const image = all.slice(lastFrom)
  const argumentsOf = (keyword: string, among: Instruction[] = image): string[] =>
    among.filter((one) => one.getKeyword() === keyword).map((one) => one.getTextContent().slice(keyword.length + 1))

  t.test('has nothing that a linter finds', async (t) => {
    const found = validate(text).map(({ range, message }) => [range.start.line + 1, message])
    t.same(found, [])
  })

  t.test('builds in one stage and runs in another, both from the image of NODE_IMAGE', async (t) => {
    const stages = all.filter((one): one is From => one.getKeyword() === 'FROM')
    t.same(
      stages.map((stage) => [stage.getImage(), stage.getBuildStage()]),
      [
        ['${NODE_IMAGE}', 'build'],
        ['${NODE_IMAGE}', null],
      ],
    )
    t.same(argumentsOf('ARG', all), ['NODE_IMAGE=node:24-bookworm-slim'])
  })

  t.test('takes nothing into the image but what the program needs at run time', async (t) => {
    t.same(argumentsOf('COPY'), [
      '--from=build /app/package.json ./',
      '--from=build /app/dist dist',
      '--from=build /app/bin bin',
    ])
    const steps = argumentsOf('RUN', builder)
    t.match(steps[0], /^npm ci\b/)
    t.equal(steps.at(-1), 'npm run build')
  })

  t.test('finds all that it copies, for .dockerignore lets it through', async (t) => {
    const copied = argumentsOf('COPY', builder).flatMap((line) => line.split(' ').slice(0, -1))
    const [first, ...exceptions] = (await read('.dockerignore')).split('\n').filter((line) => /^[^#]/.test(line))
    t.equal(first, '*')
    t.same(exceptions.toSorted(), copied.map((path) => `!${path}`).toSorted())
  })

  t.test('runs as a user that is not root, which owns the volume /data', async (t) => {
    t.same(argumentsOf('USER'), ['1000:1000'])
    t.same(argumentsOf('VOLUME'), ['/data'])
    t.match(argumentsOf('RUN').join('\n'), /install -d -m 0700 -o 1000 -g 1000 \/data$/m)
    t.match(argumentsOf('ENV'), [/(^| )KSS_DIR=\/data( |$)/])
    const order = image.map((one) => one.getKeyword())
    t.ok(order.indexOf('RUN') < order.indexOf('VOLUME'), 'what is done to a folder after VOLUME is lost')
  })

  t.test('starts kss without a shell, which would keep SIGTERM from it', async (t) => {
    t.same(argumentsOf('ENTRYPOINT').map(asJson), [['kss']])
    t.same(argumentsOf('CMD').map(asJson), [['serve']])
    t.same(argumentsOf('STOPSIGNAL'), ['SIGTERM'])
    t.match(argumentsOf('RUN').join('\n'), /ln -s \/app\/bin\/kss\.cjs \/usr\/local\/bin\/kss/)
  })

  t.test('asks the server for its health without a shell', async (t) => {
    const [check = ''] = argumentsOf('HEALTHCHECK')
    t.same(asJson(check.replace(/^.* CMD /, '')), ['kss', 'healthcheck'])
  })

  t.test('exposes the port that kss listens on by default', async (t) => {
    t.same(argumentsOf('EXPOSE'), [String(settings.properties.KSS_PORT.default)])
  })

  t.test('names only settings that there are', async (t) => {
    t.same(unknownIn(text), [])
  })
})

t.test('compose.yaml', async (t) => {
  const text = await read('compose.yaml')
  const { services, volumes } = parse(text) as { services: Record<string, unknown>; volumes: object }

  t.test('locks the container down', async (t) => {
    t.match(services['kss'], {
      read_only: true,
      tmpfs: ['/tmp'],
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
    })
  })

  t.test('keeps the data in a named volume and the server running', async (t) => {
    t.match(services['kss'], {
      build: '.',
      restart: 'unless-stopped',
      volumes: ['kss-data:/data'],
      ports: ['8080:8080'],
    })
    t.same(Object.keys(volumes), ['kss-data'])
  })

  t.test('shows how to close registration, and names only settings that there are', async (t) => {
    t.match(services['kss'], { environment: { KSS_DISABLE_REGISTRATION: 'false' } })
    t.same(unknownIn(text), [])
  })
})

function unknownIn(text: string): string[] {
  return (text.match(/\bKSS_[A-Z_]+/g) ?? []).filter((name) => !names.includes(name))
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return `a shell runs: ${text}`
  }
}
