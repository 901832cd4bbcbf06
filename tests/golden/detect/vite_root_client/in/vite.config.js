export default { root: 'client', build: { outDir: '../public_dist' } }
