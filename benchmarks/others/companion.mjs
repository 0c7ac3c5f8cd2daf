// @uppy/companion as its documentation sets it up for S3, and nothing else: no session, no providers, no metrics.
// Settings come in the environment, the port is printed when it listens.
import express from 'express'
import * as companion from '@uppy/companion'

const { S3_KEY, S3_SECRET, S3_BUCKET, S3_REGION, S3_ENDPOINT, PLACE } = process.env

const app = express()
app.use(express.json())
const { app: handler } = companion.app({
  s3: {
    key: S3_KEY,
    secret: S3_SECRET,
    bucket: S3_BUCKET,
    region: S3_REGION,
    endpoint: S3_ENDPOINT,
    forcePathStyle: true,
    getKey: ({ filename }) => `acme/${filename}`,
  },
  server: { host: '127.0.0.1', protocol: 'http' },
  filePath: PLACE,
  secret: 'a benchmark has nothing to keep',
  corsOrigins: true,
  uploadUrls: ['http://127.0.0.1'],
  metrics: false,
  debug: false,
})
app.use(handler)
const server = app.listen(0, '127.0.0.1', () => console.log(server.address().port))
