module fairlead/kit

go 1.26
