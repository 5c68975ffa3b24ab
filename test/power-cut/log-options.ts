/** As of a server, with segments so small that many of them are full, and recycled. */
export const logOptions = { preallocate: true, segmentBytes: 12 * 1024 }
