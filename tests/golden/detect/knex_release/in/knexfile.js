module.exports={client:"pg"}
