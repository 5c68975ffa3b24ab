import t from 'tap'
import { testExamples } from './example-lines.ts'

t.test('every example of every command works beside a running server', (t) => testExamples(t, { beside: true }))
