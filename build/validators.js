// Validators are compiled by the build: Ajv takes a third of a start to do it. The sources use Ajv as ever, and in the
// bundle an `ajv` takes its place that has the compiled validator of each schema.
import { rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Ajv } from 'ajv'
import standaloneCode from 'ajv/dist/standalone/index.js'
import { bundle } from './bundle.js'

const { resolve } = createRequire(import.meta.url)

/** In the place of `ajv`, when the schemas are collected: Ajv, which keeps what it is given. */
const recorder = `
  const Ajv = require(${JSON.stringify(resolve('ajv'))})
  const recorded = new Map()
  module.exports = class extends Ajv {
    constructor(options = {}) {
      super(options)
      this.given = { ...options, keywords: undefined }
    }
    compile(schema, meta) {
      recorded.set(JSON.stringify([this.given, schema]), { options: this.given, schema })
      return super.compile(schema, meta)
    }
  }
  module.exports.Ajv = module.exports
  module.exports.recorded = recorded`

/** In the place of `ajv`, in the bundle: only what env-schema and we use of it. */
const substitute = `
  const validators = require('compiled-validators')
  module.exports = class Ajv {
    constructor(options = {}) {
      this.given = { ...options, keywords: undefined }
    }
    compile(schema) {
      const validate = validators[JSON.stringify([this.given, schema])]
      if (!validate) throw new Error('The build has no validator for a schema: let build/schemas.js import its module')
      return validate
    }
    validate(schema, data) {
      const validate = this.compile(schema)
      const isValid = validate(data)
      this.errors = validate.errors
      return isValid
    }
    errorsText(errors, { dataVar }) {
      return errors.map(({ instancePath, message }) => dataVar + instancePath + ' ' + message).join(', ')
    }
  }
  module.exports.Ajv = module.exports`

/** Resolves to the plugin that puts them into a bundle. `folder` is made, and removed. */
export async function compileValidators(folder) {
  const entryPoints = { schemas: join(import.meta.dirname, 'schemas.js') }
  await bundle({ entryPoints, folder, plugins: [replaceAjv({ ajv: recorder })] })
  const { recorded } = await import(pathToFileURL(join(folder, 'schemas.js')).href)
  rmSync(folder, { recursive: true })
  const entries = [...recorded].map(
    ([key, { options, schema }]) => `${JSON.stringify(key)}: ${compile(options, schema)}`,
  )
  return replaceAjv({ ajv: substitute, 'compiled-validators': `module.exports = {\n${entries.join(',\n')}\n}` })
}

/** An expression. */
function compile(options, schema) {
  const ajv = new Ajv({ ...options, code: { source: true } })
  return `(() => { const module = {};\n${standaloneCode.default(ajv, ajv.compile(schema))}\nreturn module.exports })()`
}

function replaceAjv(modules) {
  const names = Object.keys(modules).join('|')
  return {
    name: 'validators',
    setup(build) {
      build.onResolve({ filter: new RegExp(`^(${names})$`) }, ({ path }) => ({ path, namespace: 'validators' }))
      build.onLoad({ filter: /.*/, namespace: 'validators' }, ({ path }) => ({
        contents: modules[path],
        loader: 'js',
        resolveDir: import.meta.dirname,
      }))
    },
  }
}
