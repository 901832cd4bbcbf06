(ns shop.main)
(defn -main [& _] (println "hi"))
