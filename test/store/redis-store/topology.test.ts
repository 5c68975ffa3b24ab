import t from 'tap'
import { slotCount, toMasters } from '../../../src/store/redis-store/topology.ts'

t.test(
  'each slot is with the master that has it; a node that does not know its address is where it was asked',
  async (t) => {
    const reply = [
      [0, 99, ['10.0.0.1', 7000, 'id', []], ['10.0.0.2', 7000, 'replica', []]],
      [100, 200, ['::1', 7001]],
      [201, 201, ['', 7002]],
      [202, 202, [null, 7002]],
    ]
    const masters = toMasters(reply, 'asked:7002')
    t.equal(masters.length, slotCount)
    t.same(
      [0, 99, 100, 200, 201, 202, 203].map((slot) => masters[slot]),
      ['10.0.0.1:7000', '10.0.0.1:7000', '[::1]:7001', '[::1]:7001', 'asked:7002', 'asked:7002', undefined],
    )
  },
)
