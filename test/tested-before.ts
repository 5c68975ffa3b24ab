/** Why to skip what does not depend on the version of Node: CI runs it on one of two. */
export const testedBefore = process.env['TESTED_BEFORE'] ?? false
