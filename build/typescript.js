// Imported by each process that runs a test file: see .taprc. Types are taken out of each module when it is imported: by Node,
// or by esbuild where Node is too old for it. tap would load the TypeScript compiler in each of these processes, which takes
// longer than most test files do.
import { register } from 'node:module'

// It keeps tap's loader out of this process. In the environment of the processes that a test starts it is not wanted.
delete process.env.TAP_TYPE_STRIP_ONLY
// Set by tap. What esbuild makes has the same map as what build/modules.js makes, so that their coverage can be put together.
const isMeasured = process.env['_TAPJS_PROCESSINFO_COVERAGE_'] === '1'
if (isMeasured || !process.features.typescript) register('./typescript-hooks.js', import.meta.url)
