/** What a campaign has seen so far. */
export class Report {
  cycles = 0
  /** Processes that were killed, during start-up too. */
  kills = 0
  /** Pushes that were answered with 200. */
  acknowledged = 0
  /** Acknowledged registrations, deletions and changes of a key. */
  accountChanges = 0
  lost = 0
  duplicated = 0
  /** What the server should not have done; empty when all is well. */
  readonly violations: string[] = []

  violate(text: string): void {
    this.violations.push(text)
  }

  summary(): string {
    const { cycles, kills, acknowledged, accountChanges, lost, duplicated, violations } = this
    const figures = { cycles, kills, acknowledged, 'account changes': accountChanges, lost, duplicated }
    return Object.entries({ ...figures, violations: violations.length })
      .map(([name, value]) => `${name}: ${value}`)
      .join(', ')
  }
}
