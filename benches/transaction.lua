-- The eight statements of transaction.yaml, prepared as deadheat prepares them, for benches/against-sysbench.
local accounts, tellers, spread = 100000, 10000, 5000

local texts = {
   look = "SELECT balance FROM accounts WHERE id = ?",
   change = "UPDATE accounts SET balance = balance + ? WHERE id = ?",
   look_teller = "SELECT balance FROM tellers WHERE id = ?",
   change_teller = "UPDATE tellers SET balance = balance + ? WHERE id = ?",
   note = "INSERT INTO history VALUES (?, ?, ?, CURRENT_TIMESTAMP)",
}

-- The driver is held, or it would be collected under the connection.
local driver, connection, statements = nil, nil, {}

function thread_init()
   driver = sysbench.sql.driver()
   connection = driver:connect()
   for name, text in pairs(texts) do
      local statement = connection:prepare(text)
      local values = {}
      for n = 1, select(2, text:gsub("?", "")) do
         values[n] = statement:bind_create(sysbench.sql.type.INT)
      end
      statement:bind_param(unpack(values))
      statements[name] = { statement = statement, values = values }
   end
end

function thread_done()
   for _, one in pairs(statements) do
      one.statement:close()
   end
   connection:disconnect()
end

local function execute(name, ...)
   local one = statements[name]
   for n, value in ipairs({ ... }) do
      one.values[n]:set(value)
   end
   one.statement:execute()
end

function event()
   local account, other = sysbench.rand.uniform(1, accounts), sysbench.rand.uniform(1, accounts)
   local teller = sysbench.rand.uniform(1, tellers)
   local delta = sysbench.rand.uniform(0, 2 * spread) - spread
   connection:query("BEGIN")
   execute("look", account)
   execute("change", delta, account)
   execute("look_teller", teller)
   execute("change_teller", delta, teller)
   execute("look", other)
   execute("note", teller, account, delta)
   connection:query("COMMIT")
end
