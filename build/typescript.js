// Imported by each process that runs a test file: see .taprc. esbuild takes the types out of each module when it is imported.
// tap would load the TypeScript compiler in each of these processes, which takes longer than most test files do.
import { register } from 'node:module'

// It keeps tap's loader out of this process. In the environment of the processes that a test starts it is not wanted.
delete process.env.TAP_TYPE_STRIP_ONLY
register('./typescript-hooks.js', import.meta.url)
