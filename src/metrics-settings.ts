/** The settings of metrics: off by default. */
export const metricsSettings = {
  KSS_METRICS_PORT: {
    type: 'integer',
    minimum: 0,
    maximum: 65_535,
    default: 0,
    description: 'a port of its own from 1 to 65535, or 0 for no metrics',
  },
  KSS_METRICS_HOST: { type: 'string', default: '127.0.0.1', description: 'an address of this machine' },
} as const
