import type { NextConfig } from 'next'
const c: NextConfig = { output: 'standalone' }
export default c
