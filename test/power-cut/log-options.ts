/** As of a server, with segments so small that many of them are full, and recycled, and with many checkpoints. */
export const logOptions = { preallocate: true, segmentBytes: 12 * 1024, checkpointBytes: 30 * 1024 }
