module.exports = async (f) => { f.get('/', async () => ({ root: true })) }
