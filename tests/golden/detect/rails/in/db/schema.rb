ActiveRecord::Schema[7.1].define
