module.exports = { root: '.', build: { outDir: 'www' } }
