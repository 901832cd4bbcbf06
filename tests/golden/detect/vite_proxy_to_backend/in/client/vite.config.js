import { defineConfig } from 'vite'
import react from '@vitejs/plugin-react'
export default defineConfig({ plugins: [react()], server: { proxy: { '/api': 'http://localhost:4000', '/auth': { target: 'http://localhost:4000', changeOrigin: true, rewrite: (p) => p.replace(/^\/auth/, '') } } } })
