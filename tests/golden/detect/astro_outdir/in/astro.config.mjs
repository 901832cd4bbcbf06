export default { outDir: './public_site' }
