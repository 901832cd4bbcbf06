export default { build: { outDir: 'public_html', emptyOutDir: true } }
