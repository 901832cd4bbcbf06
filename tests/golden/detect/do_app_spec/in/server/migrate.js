console.log('m')
